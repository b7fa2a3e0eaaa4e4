"""Keep rules: which epoch of a training is kept, as pure functions of its history.

The winner after another epoch is either the winner before it or that epoch itself, whatever the rule: so one
set of best weights on disk is enough, and the eventual winner is never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from echokit.errors import EchokitError

Rule = Literal["study_rule", "best_val_auroc", "best_val_loss", "last"]
Record = Mapping[str, Any]
STUDY_GAP = 0.05
"""Training and validation accuracy differ by less than this in an epoch that the study would keep."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The epoch that is kept.

    Attributes:
        epoch: Its number, from 1.
        note: What the user should know of the choice, or None.
    """

    epoch: int
    note: str | None = None


def kept_epoch(rule: Rule, history: Sequence[Record]) -> Kept:
    """Choose the epoch to keep; of equal epochs, the earliest.

    Args:
        rule: ``study_rule``: the best ``val_accuracy`` among epochs with |train_accuracy - val_accuracy| <
            0.05, or among all where none qualifies (noted). ``best_val_auroc``: the best ``val_auroc``; the
            last epoch where it is defined for none (noted). ``best_val_loss``: the lowest ``val_loss``. ``last``:
            the last epoch.
        history: At least one record, in the order of the epochs.
    """
    return _RULES[rule](history)


def require_validation(rule: Rule, cases: int) -> None:
    """Refuse a rule that needs validation cases where there are none.

    Raises:
        EchokitError: The rule is not ``last`` and ``cases`` is 0.
    """
    if rule != "last" and cases == 0:
        raise EchokitError(
            f"keep: {rule} chooses the epoch by its validation part, and this fold has none",
            hint="use keep: last, or give the resampler a validation part (val: 0.2)",
            where="train.keep",
        )


def _study_rule(history: Sequence[Record]) -> Kept:
    close = [r for r in history if abs(r["train_accuracy"] - r["val_accuracy"]) < STUDY_GAP]
    best = max(close or history, key=lambda record: record["val_accuracy"])  # max keeps the first of equals
    if close:
        return Kept(best["epoch"])
    return Kept(
        best["epoch"],
        f"in no epoch do training and validation accuracy differ by less than {STUDY_GAP}, as the study's "
        f"rule asks: epoch {best['epoch']} is kept for its validation accuracy alone",
    )


def _best_val_auroc(history: Sequence[Record]) -> Kept:
    defined = [record for record in history if record["val_auroc"] is not None]
    if defined:
        return Kept(max(defined, key=lambda record: record["val_auroc"])["epoch"])
    return Kept(
        history[-1]["epoch"],
        "the validation part has one class only, so its AUROC is undefined: the last epoch is kept",
    )


def _best_val_loss(history: Sequence[Record]) -> Kept:
    return Kept(min(history, key=lambda record: record["val_loss"])["epoch"])


def _last(history: Sequence[Record]) -> Kept:
    return Kept(history[-1]["epoch"])


_RULES: dict[Rule, Callable[[Sequence[Record]], Kept]] = {
    "study_rule": _study_rule,
    "best_val_auroc": _best_val_auroc,
    "best_val_loss": _best_val_loss,
    "last": _last,
}
