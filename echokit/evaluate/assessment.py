"""From the predictions of a run to its evaluation: every split and fold, every evaluator, with intervals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from echokit.errors import DataError, EchokitError, did_you_mean
from echokit.evaluate.bootstrap import interval_of
from echokit.evaluate.cross_validation import over_folds
from echokit.evaluate.evaluation import Evaluation, Interval, Metric
from echokit.evaluate.evaluator import AcrossFolds, AtThreshold, Evaluator
from echokit.evaluate.predictions import NO_PROBABILITY, Predictions
from echokit.evaluate.threshold import with_threshold

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "val", "test")
NO_STATISTIC = "none: the evaluator offers no statistic to resample"
ONE_OF_FOLDS = "none: one of {folds} folds, whose test scores come from different models"


def assess(
    predictions: Predictions,
    evaluators: Sequence[tuple[str, Evaluator]],
    *,
    seed: int,
    resamples: int = 10_000,
    level: float = 0.95,
    splits: Sequence[str] = SPLITS,
) -> Evaluation:
    """Evaluate predictions by patient: scores are averaged per patient within split, repeat and fold first.

    A split with one fold gets an interval from every evaluator that can make one; all evaluators see the same
    resamples. A split with several folds gives one metric a fold without an interval, then rows over all folds
    (repeat and fold None): mean and sample SD, and for the test part what an evaluator can say of a whole
    cross-validation. A threshold that is chosen by a rule is chosen on the validation part of the same fold.

    Args:
        predictions: One row a case and fold.
        evaluators: Name in the recipe and evaluator, in the order of the recipe.
        seed: Seed of the bootstrap.
        resamples: Bootstrap resamples.
        level: Nominal level of the intervals.
        splits: Splits to evaluate, in this order; those without a row are left out.

    Returns:
        Metrics ordered by evaluator, split and fold. Curves by name and split: a list of one mapping a fold,
        which adds ``repeat``, ``fold``, ``n`` and ``events`` to what the evaluator gave.

    Raises:
        DataError: A row has no patient, split or fold, a split is unknown, or a patient has two outcomes.
        EchokitError: An evaluator gave a value that is not a finite number (undefined is None).
    """
    _check_keys(predictions.table, splits)
    patients = predictions.per_patient()
    parts = list(_parts(patients, splits))
    metrics: list[Metric] = []
    curves: dict[str, dict[str, list[dict[str, Any]]]] = {}
    taken: dict[str, int] = {}
    for number, (name, evaluator) in enumerate(evaluators):
        rule = evaluator.threshold_rule if isinstance(evaluator, AtThreshold) else None
        for split, group in itertools.groupby(parts, key=lambda part: part.split):
            folds = [replace(part, rows=_called(part, parts, rule)) for part in group]
            found: list[Metric] = []
            for part in folds:
                evaluation = evaluator(part.rows)
                found += _placed(name, evaluator, evaluation, part, len(folds), seed, resamples, level)
                _add_curves(curves, evaluation, part, name)
            if len(folds) > 1:
                found += _over_folds(evaluator, found, [part.rows for part in folds], split, level)
            metrics += [replace(metric, metric=_own_name(metric.metric, number, taken, rule)) for metric in found]
    return Evaluation(tuple(metrics), curves)


@dataclass(frozen=True, slots=True)
class _Part:
    """The patients of one split and fold."""

    split: str
    repeat: int
    fold: int
    rows: Predictions


def _parts(patients: Predictions, splits: Sequence[str]) -> Iterator[_Part]:
    for split in splits:
        for _, rows in patients.table[patients.table["split"] == split].groupby(["repeat", "fold"], sort=True):
            repeat, fold = int(rows["repeat"].iloc[0]), int(rows["fold"].iloc[0])
            yield _Part(split, repeat, fold, replace(patients, table=rows))


def _called(part: _Part, parts: Sequence[_Part], rule: float | str | None) -> Predictions:
    """Give the threshold of a rule, from the validation part of the same fold."""
    same = [p for p in parts if p.split == "val" and (p.repeat, p.fold) == (part.repeat, part.fold)]
    return with_threshold(part.rows, same[0].rows if same else None, rule)


def _placed(
    name: str,
    evaluator: Evaluator,
    evaluation: Evaluation,
    part: _Part,
    folds: int,
    seed: int,
    resamples: int,
    level: float,
) -> list[Metric]:
    """Say of which fold the metrics are, and give them their intervals."""
    made: list[Interval] = []
    if folds == 1 and any(metric.interval is None and metric.low is None for metric in evaluation.metrics):
        made = interval_of(evaluator, part.rows, level=level, seed=seed, resamples=resamples)
    if len(made) != len(evaluation.metrics):
        reason = ONE_OF_FOLDS.format(folds=folds) if folds > 1 else NO_STATISTIC
        made = [Interval(None, None, reason)] * len(evaluation.metrics)
    metrics = []
    for metric, interval in zip(evaluation.metrics, made, strict=True):
        metric = replace(metric, split=part.split, repeat=part.repeat, fold=part.fold)
        if not part.rows.probability:
            metric = replace(metric, definition=f"{metric.definition}; the score is {NO_PROBABILITY}")
        _check_finite(name, metric)
        if metric.interval is None and metric.low is None:
            low, high = interval.low, interval.high
            reached = None if low is None else level
            metric = replace(metric, low=low, high=high, level=reached, interval=interval.method)
        metrics.append(metric)
    return metrics


def _over_folds(
    evaluator: Evaluator, metrics: Sequence[Metric], folds: Sequence[Predictions], split: str, level: float
) -> list[Metric]:
    rows = over_folds(metrics)
    if split == "test" and isinstance(evaluator, AcrossFolds):
        rows = [*(replace(row, split=split) for row in evaluator.across_folds(folds, level=level)), *rows]
    return rows


def _own_name(metric: str, number: int, taken: dict[str, int], rule: float | str | None) -> str:
    """Keep one name for one meaning: the same evaluator once more goes by its threshold, or by a number."""
    if taken.setdefault(metric, number) == number:
        return metric
    other = f"{metric}_at_{rule}" if rule is not None else f"{metric}_{number + 1}"
    return other if taken.setdefault(other, number) == number else f"{other}_{number + 1}"


def _add_curves(
    curves: dict[str, dict[str, list[dict[str, Any]]]], evaluation: Evaluation, part: _Part, evaluator: str
) -> None:
    """Keep one curve a name and fold: the same again is dropped, another one goes by its evaluator too."""
    where = {
        "repeat": part.repeat,
        "fold": part.fold,
        "n": len(part.rows),
        "events": int(part.rows.y_true.sum()),
    }
    for curve, data in evaluation.curves.items():
        entry = {**where, **data}
        there = curves.setdefault(curve, {}).setdefault(part.split, [])
        same = [one for one in there if (one["repeat"], one["fold"]) == (part.repeat, part.fold)]
        if not same:
            there.append(entry)
        elif same[0] != entry:
            curves.setdefault(f"{curve}_of_{evaluator}", {}).setdefault(part.split, []).append(entry)


def _check_keys(table: pd.DataFrame, splits: Sequence[str]) -> None:
    """Refuse what grouping by these columns would drop without a word."""
    for column in ("split", "repeat", "fold", "patient_id"):
        empty = table.loc[table[column].isna(), "case_id"].astype(str).tolist()
        if empty:
            raise DataError(f"{len(empty)} predictions have no {column}: {', '.join(empty[:5])}")
    known = dict.fromkeys((*splits, *SPLITS))
    for split in table["split"].unique():
        if split not in known:
            raise DataError(
                f"unknown split {split!r} in the predictions",
                hint=did_you_mean(str(split), known) or f"known are {', '.join(known)}",
            )


def _check_finite(name: str, metric: Metric) -> None:
    for label, number in (("value", metric.value), ("baseline", metric.baseline)):
        if number is not None and not math.isfinite(number):
            raise EchokitError(
                f"the evaluator {name!r} gave {label} {number} for {metric.metric!r} on {metric.split}",
                hint="an undefined value is None, never NaN",
            )
