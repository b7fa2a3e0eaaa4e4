"""Compute the learning rate as a pure function of the position: there is no state to save."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from echokit.errors import EchokitError
from echokit.training.settings import ConstantSchedule, NamedSchedule, OneCycleSchedule


@dataclass(frozen=True, slots=True)
class SchedulePosition:
    """The position of a step in its phase.

    Attributes:
        epoch: Number of finished epochs of the phase.
        epochs: Largest number of epochs.
        step: Number of finished steps of the present epoch.
        steps: Steps of an epoch.
        records: Records of the finished epochs.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    records: Sequence[Mapping[str, Any]] = ()


def learning_rate(
    schedule: ConstantSchedule | OneCycleSchedule | NamedSchedule, peak: float, position: SchedulePosition
) -> float:
    """Compute the learning rate of a step.

    Args:
        schedule: The schedule's settings.
        peak: Learning rate of the phase.
        position: Position of the step.

    Raises:
        EchokitError: The schedule needs a validation set, or its library rejects its parameters.
    """
    if isinstance(schedule, ConstantSchedule):
        return peak
    if isinstance(schedule, OneCycleSchedule):
        done = (position.epoch + position.step / position.steps) / position.epochs
        if done < schedule.warmup:
            return peak * _cosine(schedule.start_factor, 1.0, done / schedule.warmup)
        return peak * _cosine(1.0, schedule.end_factor, (done - schedule.warmup) / (1.0 - schedule.warmup))
    from echokit.training.optimizer_catalog import PLATEAU, plateau_rate, schedule_curve

    if schedule.use == PLATEAU:
        losses = tuple(record["val_loss"] for record in position.records)
        if None in losses:
            raise EchokitError(
                "plateau follows the validation loss, and this fold has no validation set",
                hint="use another schedule, or give the resampler a validation set (val: 0.2)",
                where="train.schedule",
                code="train.no_validation",
            )
        return plateau_rate(schedule.options, peak, losses)
    by_epoch = schedule.unit == "epoch"
    units = position.epochs if by_epoch else position.epochs * position.steps
    unit = position.epoch if by_epoch else position.epoch * position.steps + position.step
    return schedule_curve(schedule.use, tuple(schedule.options.items()), peak, units)[unit]


def _cosine(start: float, end: float, t: float) -> float:
    return end + (start - end) * (1.0 + math.cos(math.pi * t)) / 2.0
