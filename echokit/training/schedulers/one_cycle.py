"""One-cycle schedule."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from echokit.training.schedulers.position import SchedulePosition


class OneCycle:
    """One-cycle schedule with cosine rise and fall (Smith and Topin 2018).

    Args:
        warmup: Fraction of the training in which it rises.
        start_factor: First learning rate, as a fraction of the peak.
        end_factor: Last learning rate, as a fraction of the peak.
    """

    def __init__(
        self,
        *,
        warmup: Annotated[float, Field(ge=0, lt=1)] = 0.3,
        start_factor: Annotated[float, Field(gt=0, le=1)] = 0.04,
        end_factor: Annotated[float, Field(ge=0, le=1)] = 4e-6,
    ) -> None:
        self.warmup, self.start_factor, self.end_factor = warmup, start_factor, end_factor

    def __call__(self, position: SchedulePosition) -> float:
        """Return the factor of the learning rate."""
        if position.done < self.warmup:
            return _cosine(self.start_factor, 1.0, position.done / self.warmup)
        return _cosine(1.0, self.end_factor, (position.done - self.warmup) / (1.0 - self.warmup))


def _cosine(start: float, end: float, t: float) -> float:
    return end + (start - end) * (1.0 + math.cos(math.pi * t)) / 2.0
