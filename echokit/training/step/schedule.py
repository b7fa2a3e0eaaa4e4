"""Compute the learning rate as a pure function of the position: there is no state to save."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any

from echokit.errors import EchokitError
from echokit.training.named_settings import ScheduleSettings
from echokit.training.schedulers.position import SchedulePosition

Schedule = Callable[[SchedulePosition], float]


def make_schedule(settings: ScheduleSettings, peak: float) -> Schedule:
    """Return the function from a position to the learning rate.

    It raises an EchokitError if the schedule needs a validation set that is not there, or its factor is no rate.

    Args:
        settings: The schedule's settings.
        peak: Learning rate of the phase.
    """
    component = settings.component
    if component is None:
        from echokit.training.optimizer_catalog import library_rate

        return lambda position: library_rate(settings.use, settings.options, peak, position)
    scheduler = component.build()
    return lambda position: peak * _checked(scheduler(position), settings.use, position)


def _checked(factor: Any, use: str, position: SchedulePosition) -> float:
    if not isinstance(factor, numbers.Real) or not math.isfinite(factor) or factor < 0:
        raise EchokitError(
            f"the scheduler {use!r} gives the factor {factor!r} after epoch {position.epoch} and step {position.step}",
            hint="a factor of the learning rate is a number, 0 or more",
            where="train.schedule",
            code="train.bad_rate",
        )
    return float(factor)
