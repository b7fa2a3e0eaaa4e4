"""Watch: who is told how the training goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Watch(Protocol):
    """Told of every step and epoch; a progress bar, a log, a test."""

    def step(self, epoch: int, epochs: int, step: int, steps: int, loss: float, clips_per_second: float) -> None:
        """A step of the optimizer was done.

        Args:
            epoch: Number of the epoch, from 1 to ``epochs``.
            epochs: Epochs of this training.
            step: Number of the step in its epoch, from 1 to ``steps``.
            steps: Steps of an epoch.
            loss: Mean training loss of the epoch so far.
            clips_per_second: Speed of the epoch so far.
        """
        ...

    def epoch(self, record: Mapping[str, object]) -> None:
        """An epoch was done; ``record`` is its line of ``history.jsonl``."""
        ...

    def note(self, text: str) -> None:
        """Something that the user should know and that is no error."""
        ...


class Silent:
    """A watch that tells nobody."""

    def step(self, epoch: int, epochs: int, step: int, steps: int, loss: float, clips_per_second: float) -> None:
        """Do nothing."""

    def epoch(self, record: Mapping[str, object]) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""
