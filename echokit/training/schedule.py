"""The learning rate as a pure function of how much of the training is done: no state to save."""

from __future__ import annotations

import math

from echokit.training.settings import ConstantSchedule, OneCycleSchedule


def learning_rate(schedule: ConstantSchedule | OneCycleSchedule, peak: float, done: float) -> float:
    """Return the learning rate of a step.

    Args:
        schedule: The schedule's settings.
        peak: Learning rate of the optimizer's settings.
        done: Fraction of the whole training that was done before this step, 0 to 1.
    """
    if isinstance(schedule, ConstantSchedule):
        return peak
    if done < schedule.warmup:
        return peak * _cosine(schedule.start_factor, 1.0, done / schedule.warmup)
    return peak * _cosine(1.0, schedule.end_factor, (done - schedule.warmup) / (1.0 - schedule.warmup))


def _cosine(start: float, end: float, t: float) -> float:
    return end + (start - end) * (1.0 + math.cos(math.pi * t)) / 2.0
