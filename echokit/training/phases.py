"""Plan the phases of a training, and find the phase that follows a history."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from echokit.training.settings import BatchNormRule, EarlyStopSettings, PhaseSettings, TrainSettings

LOWER = frozenset({"val_loss"})
"""Numbers in every history of which less is better."""
SMALL_COHORT = 500
"""With fewer training cases, the batch-norm statistics of initial weights are better than new estimates."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase with all defaults filled in.

    Attributes:
        name: Name in the history.
        parts: The trained parts.
        epochs: Largest number of epochs.
        lr: Peak learning rate.
        bn: Mode of batch norm in the trained parts.
        copies: Number of fixed copies of every training sample, if the head alone is trained.
        early_stop: When the phase ends early.
        lower: The numbers of which less is better.
    """

    name: str
    parts: tuple[str, ...]
    epochs: int
    lr: float
    bn: BatchNormRule
    copies: int
    early_stop: EarlyStopSettings | None = None
    lower: Collection[str] = LOWER

    @property
    def head_only(self) -> bool:
        """Whether the whole backbone is frozen, so that its features never change."""
        return self.parts == ("head",)


def plan_phases(
    settings: TrainSettings, *, norms_given: bool, cases: int, lower: Collection[str] = LOWER
) -> tuple[Phase, ...]:
    """Plan the phases of a training.

    Args:
        settings: The recipe's ``train``.
        norms_given: Whether the statistics of all batch norms come from initial weights.
        cases: Number of training cases of the fold.
        lower: The numbers of which less is better.
    """
    default: BatchNormRule = "frozen" if norms_given and cases < SMALL_COHORT else "train"
    whole = PhaseSettings(name="all", epochs=settings.epochs)
    return tuple(
        Phase(
            phase.name,
            tuple(dict.fromkeys(phase.train)),
            phase.epochs,
            phase.lr or settings.optimizer.lr,
            phase.bn or settings.bn or default,
            phase.copies,
            settings.early_stop,
            lower,
        )
        for phase in settings.phases or (whole,)
    )


def current_phase(plan: Sequence[Phase], history: Sequence[Mapping[str, Any]]) -> Phase | None:
    """Find the phase of the epoch after a history; None if all are done."""
    return next((phase for phase in plan if not is_done(phase, history)), None)


def stopped_by(history: Sequence[Mapping[str, Any]]) -> str | None:
    """Return which callback stopped a training, and why; None if none did."""
    return history[-1].get("stopped") if history else None


def is_done(phase: Phase, history: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a phase has ended; a callback ends all of them."""
    if stopped_by(history) is not None:
        return True
    records = records_of(phase, history)
    return len(records) >= phase.epochs or _is_stale(phase, records)


def _is_stale(phase: Phase, records: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the metric has not improved; an undefined one is no improvement."""
    rule = phase.early_stop
    if rule is None:
        return False
    sign = -1.0 if rule.metric in phase.lower else 1.0
    best, since = float("-inf"), 0
    for record in records:
        value = record[rule.metric]
        if value is not None and sign * value > best + rule.by:
            best, since = sign * value, 0
        else:
            since += 1
    return since >= rule.patience


def can_be_longer(plan: Sequence[Phase], settings: TrainSettings, history: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether more epochs of the last phase would change none before them."""
    last = plan[-1]
    stopped = _is_stale(last, records_of(last, history))
    return not stopped and stopped_by(history) is None and not settings.schedule.follows_length


def records_of(phase: Phase, history: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Select the records of one phase."""
    return [record for record in history if record["phase"] == phase.name]
