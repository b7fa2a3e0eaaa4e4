"""Keep rules: which epoch of a training is selected, as pure functions of its history.

The winner after another epoch is either the winner before it or that epoch itself, whatever the rule. So one set of
best weights on disk is enough, and the eventual winner is never lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from echokit.errors import EchokitError
from echokit.training.phases import LOWER

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


def select_epoch(rule: str, history: Sequence[Record], lower: Collection[str] = LOWER) -> SelectedEpoch:
    """Select an epoch; of equal epochs, the earliest.

    Args:
        rule: ``study_rule``: the best ``val_accuracy`` among epochs with |train_accuracy - val_accuracy| <
            0.05, or among all if none qualifies (noted). ``best_val_auroc``: the best ``val_auroc``; the
            last epoch if it is defined for none (noted). ``best_val_loss``: the lowest ``val_loss``. ``last``:
            the last epoch. ``val_NAME``: the best of this number; the last epoch if it is defined for none (noted).
        history: At least one record, in the order of the epochs.
        lower: The numbers of which less is better.
    """
    if rule == "study_rule":
        return _study_rule(history)
    if rule == "last":
        return SelectedEpoch(history[-1]["epoch"])
    return _best(history, rule.removeprefix("best_"), lower)


def require_validation(rule: str, cases: int) -> None:
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


def _best(history: Sequence[Record], name: str, lower: Collection[str]) -> SelectedEpoch:
    defined = [record for record in history if record[name] is not None]
    if defined:
        sign = -1.0 if name in lower else 1.0
        return SelectedEpoch(max(defined, key=lambda record: sign * record[name])["epoch"])
    why = (
        "the validation set has one class only, so its AUROC is undefined"
        if name == "val_auroc"
        else f"{name} is undefined for the validation set in every epoch"
    )
    return SelectedEpoch(history[-1]["epoch"], f"{why}: the last epoch is selected")
