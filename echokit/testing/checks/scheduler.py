"""Checks of a scheduler: (SchedulePosition) -> factor of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from echokit.testing.case import Subject, require
from echokit.training.schedulers.position import SchedulePosition

LENGTHS = ((1, 1), (1, 7), (2, 3), (7, 5), (40, 2))
"""Epochs, and steps of an epoch."""

Scheduler = Callable[[SchedulePosition], Any]


def _positions() -> Iterator[SchedulePosition]:
    for epochs, steps in LENGTHS:
        losses = tuple(1.0 / (1 + min(epoch, 5)) for epoch in range(epochs))  # no improvement after six epochs
        for epoch in range(epochs):
            for step in range(steps):
                yield SchedulePosition(epoch, epochs, step, steps, losses[:epoch])


def _describe(position: SchedulePosition) -> str:
    return f"epoch {position.epoch} of {position.epochs}, step {position.step} of {position.steps}"


def check_gives_a_rate_at_every_position(subject: Subject) -> None:
    """The factor is a finite number of 0 or more, and not 0 everywhere."""
    scheduler: Scheduler = subject.make()
    for position in _positions():
        factor = scheduler(position)
        number = isinstance(factor, int | float) and not isinstance(factor, bool)
        require(number and math.isfinite(factor) and factor >= 0, f"{_describe(position)}: the factor is {factor!r}")
    require(any(scheduler(position) > 0 for position in _positions()), "every factor is 0: nothing would be trained")


def check_depends_on_the_position_alone(subject: Subject) -> None:
    """The same position gives the same factor, in any order and instance."""
    scheduler: Scheduler = subject.make()
    positions = list(_positions())
    first = [scheduler(position) for position in positions]
    backwards = [scheduler(position) for position in reversed(positions)][::-1]
    other: Scheduler = subject.make()
    for position, *factors in zip(positions, first, backwards, map(other, positions), strict=True):
        require(len(set(factors)) == 1, f"{_describe(position)}: the factors differ: {factors}")


def check_says_whether_it_follows_the_length(subject: Subject) -> None:
    """With ``follows_length = False`` the factors of longer trainings agree."""
    scheduler: Scheduler = subject.make()
    follows = getattr(scheduler, "follows_length", True)
    require(isinstance(follows, bool), f"follows_length is {follows!r}, not True or False")
    if follows:
        return
    for position in _positions():
        longer = replace(position, epochs=position.epochs + 5)
        require(
            scheduler(position) == scheduler(longer),
            f"{_describe(position)}: with 5 more epochs the factor is another one, although follows_length is False",
        )
