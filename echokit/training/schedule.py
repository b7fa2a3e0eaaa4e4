"""The learning rate as a pure function of where the training is: no state to save."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from echokit.errors import EchokitError
from echokit.training.settings import ConstantSchedule, NamedSchedule, OneCycleSchedule


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a phase a step is.

    Attributes:
        epoch: Epochs of the phase that are done.
        epochs: Epochs that it may have.
        step: Steps of the present epoch that are done.
        steps: Steps of an epoch.
        records: What its epochs came to.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    records: Sequence[Mapping[str, Any]] = ()


def learning_rate(schedule: ConstantSchedule | OneCycleSchedule | NamedSchedule, peak: float, place: Place) -> float:
    """Return the learning rate of a step.

    Args:
        schedule: The schedule's settings.
        peak: Learning rate of the phase.
        place: Where the step is.

    Raises:
        EchokitError: The schedule needs a validation part, or its library refuses its parameters.
    """
    if isinstance(schedule, ConstantSchedule):
        return peak
    if isinstance(schedule, OneCycleSchedule):
        done = (place.epoch + place.step / place.steps) / place.epochs
        if done < schedule.warmup:
            return peak * _cosine(schedule.start_factor, 1.0, done / schedule.warmup)
        return peak * _cosine(1.0, schedule.end_factor, (done - schedule.warmup) / (1.0 - schedule.warmup))
    from echokit.training.by_name import PLATEAU, plateau_rate, schedule_curve

    if schedule.use == PLATEAU:
        losses = tuple(record["val_loss"] for record in place.records)
        if None in losses:
            raise EchokitError("plateau follows the validation loss, and there is none", where="train.schedule")
        return plateau_rate(schedule.options, peak, losses)
    by_epoch = schedule.unit == "epoch"
    units = place.epochs if by_epoch else place.epochs * place.steps
    unit = place.epoch if by_epoch else place.epoch * place.steps + place.step
    return schedule_curve(schedule.use, tuple(schedule.options.items()), peak, units)[unit]


def _cosine(start: float, end: float, t: float) -> float:
    return end + (start - end) * (1.0 + math.cos(math.pi * t)) / 2.0
