"""Phases: the stretches of a training, resolved, and where in them a history ends; pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from echokit.training.settings import BatchNormRule, EarlyStopSettings, PhaseSettings, TrainSettings

SMALL_COHORT = 500
"""Fewer training cases than this can not estimate batch-norm statistics better than given weights hold them."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase with nothing left open.

    Attributes:
        name: In the history.
        parts: What learns.
        epochs: How many epochs, at most.
        lr: Peak learning rate.
        bn: What batch norm does in the parts that learn.
        copies: Fixed copies of every training sample, where the head alone learns.
        early_stop: When it ends before its time.
    """

    name: str
    parts: tuple[str, ...]
    epochs: int
    lr: float
    bn: BatchNormRule
    copies: int
    early_stop: EarlyStopSettings | None = None

    @property
    def head_only(self) -> bool:
        """Whether the backbone is frozen as a whole, so that its features never change."""
        return self.parts == ("head",)


def plan_phases(settings: TrainSettings, *, norms_given: bool, cases: int) -> tuple[Phase, ...]:
    """The phases of a training.

    Args:
        settings: The recipe's.
        norms_given: Whether the statistics of all batch norms come from given weights.
        cases: Training cases of the fold.
    """
    usual: BatchNormRule = "frozen" if norms_given and cases < SMALL_COHORT else "train"
    whole = PhaseSettings(name="all", epochs=settings.epochs)
    return tuple(
        Phase(
            phase.name,
            tuple(dict.fromkeys(phase.train)),
            phase.epochs,
            phase.lr or settings.optimizer.lr,
            phase.bn or settings.bn or usual,
            phase.copies,
            settings.early_stop,
        )
        for phase in settings.phases or (whole,)
    )


def current_phase(plan: Sequence[Phase], history: Sequence[Mapping[str, Any]]) -> Phase | None:
    """The phase that the epoch after a history belongs to; None where all are done."""
    return next((phase for phase in plan if not is_done(phase, history)), None)


def is_done(phase: Phase, history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a phase has come to its end."""
    records = records_of(phase, history)
    return len(records) >= phase.epochs or (phase.early_stop is not None and _is_stale(phase.early_stop, records))


def _is_stale(rule: EarlyStopSettings, records: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the last epochs brought nothing better; an epoch in which the metric is undefined did not."""
    sign = -1.0 if rule.metric == "val_loss" else 1.0
    best, since = float("-inf"), 0
    for record in records:
        value = record[rule.metric]
        if value is not None and sign * value > best + rule.by:
            best, since = sign * value, 0
        else:
            since += 1
    return since >= rule.patience


def records_of(phase: Phase, history: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The records of one phase."""
    return [record for record in history if record["phase"] == phase.name]
