"""A constant learning rate."""

from __future__ import annotations

from echokit.training.schedulers.position import SchedulePosition


class Constant:
    """A constant learning rate."""

    follows_length = False

    def __call__(self, position: SchedulePosition) -> float:
        """Return the factor of the learning rate."""
        return 1.0
