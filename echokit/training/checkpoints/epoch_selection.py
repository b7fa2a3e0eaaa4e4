"""Keep rules: which epoch of a training is selected, as pure functions of its history.

The winner after another epoch is either the winner before it or that epoch itself, whatever the rule. So one set of
best weights on disk is enough, and the eventual winner is never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from echokit.errors import EchokitError

Rule = Literal["study_rule", "best_val_auroc", "best_val_loss", "last"]
Record = Mapping[str, Any]
STUDY_GAP = 0.05
"""In an epoch that the reference study would select, training and validation accuracy differ by less than this."""


@dataclass(frozen=True, slots=True)
class SelectedEpoch:
    """The selected epoch.

    Attributes:
        epoch: Its number, from 1.
        note: What the user should know about the choice, or None.
    """

    epoch: int
    note: str | None = None


def select_epoch(rule: Rule, history: Sequence[Record]) -> SelectedEpoch:
    """Select an epoch; of equal epochs, the earliest.

    Args:
        rule: ``study_rule``: the best ``val_accuracy`` among epochs with |train_accuracy - val_accuracy| <
            0.05, or among all if none qualifies (noted). ``best_val_auroc``: the best ``val_auroc``; the
            last epoch if it is defined for none (noted). ``best_val_loss``: the lowest ``val_loss``. ``last``:
            the last epoch.
        history: At least one record, in the order of the epochs.
    """
    return _RULES[rule](history)


def require_validation(rule: Rule, cases: int) -> None:
    """Refuse a rule that needs validation cases if there are none.

    Raises:
        EchokitError: The rule is not ``last`` and ``cases`` is 0.
    """
    if rule != "last" and cases == 0:
        raise EchokitError(
            f"keep: {rule} selects the epoch on the validation set, and this fold has none",
            hint="use keep: last, or give the resampler a validation set (val: 0.2)",
            where="train.keep",
            code="train.no_validation",
        )


def _study_rule(history: Sequence[Record]) -> SelectedEpoch:
    close = [r for r in history if abs(r["train_accuracy"] - r["val_accuracy"]) < STUDY_GAP]
    best = max(close or history, key=lambda record: record["val_accuracy"])  # max takes the first of equals
    if close:
        return SelectedEpoch(best["epoch"])
    return SelectedEpoch(
        best["epoch"],
        f"in no epoch do training and validation accuracy differ by less than {STUDY_GAP}, as the "
        f"reference study requires: epoch {best['epoch']} is selected by its validation accuracy alone",
    )


def _best_val_auroc(history: Sequence[Record]) -> SelectedEpoch:
    defined = [record for record in history if record["val_auroc"] is not None]
    if defined:
        return SelectedEpoch(max(defined, key=lambda record: record["val_auroc"])["epoch"])
    return SelectedEpoch(
        history[-1]["epoch"],
        "the validation set has one class only, so its AUROC is undefined: the last epoch is selected",
    )


def _best_val_loss(history: Sequence[Record]) -> SelectedEpoch:
    return SelectedEpoch(min(history, key=lambda record: record["val_loss"])["epoch"])


def _last(history: Sequence[Record]) -> SelectedEpoch:
    return SelectedEpoch(history[-1]["epoch"])


_RULES: dict[Rule, Callable[[Sequence[Record]], SelectedEpoch]] = {
    "study_rule": _study_rule,
    "best_val_auroc": _best_val_auroc,
    "best_val_loss": _best_val_loss,
    "last": _last,
}
