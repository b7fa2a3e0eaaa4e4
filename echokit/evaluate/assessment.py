"""From the predictions of a run to its evaluation: every split and fold, every evaluator, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from echokit.errors import DataError, EchokitError, did_you_mean
from echokit.evaluate.bootstrap import bootstrap_interval
from echokit.evaluate.evaluation import Evaluation, Interval, Metric
from echokit.evaluate.evaluator import Evaluator, Resampled, WithIntervals
from echokit.evaluate.predictions import NO_PROBABILITY, Predictions

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

    A split with one fold gets a bootstrap interval from every evaluator that offers a ``statistic``; all
    evaluators see the same resamples. A split with several folds gives one metric a fold and no interval: the
    folds' scores come from different models and must not be pooled.

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
        DataError: A row has no patient, split or fold, a split is unknown, or a patient has both outcomes.
        EchokitError: An evaluator gave a value that is not a finite number (undefined is None).
    """
    _check_keys(predictions.table, splits)
    patients = predictions.per_patient()
    parts = list(_parts(patients, splits))
    metrics: list[Metric] = []
    curves: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name, evaluator in evaluators:
        for split, repeat, fold, folds, part in parts:
            evaluation = evaluator(part)
            own: list[Interval | None] = [None] * len(evaluation.metrics)
            if folds == 1 and isinstance(evaluator, WithIntervals):
                own = list(evaluator.intervals(part, level=level, seed=seed, resamples=resamples))
            for metric, interval in zip(evaluation.metrics, own, strict=True):
                metric = replace(metric, split=split, repeat=repeat, fold=fold)
                if not predictions.probability:
                    metric = replace(metric, definition=f"{metric.definition}; the score is {NO_PROBABILITY}")
                _check_finite(name, metric)
                if metric.interval is None and metric.low is None:
                    if folds > 1:
                        metric = replace(metric, interval=ONE_OF_FOLDS.format(folds=folds))
                    elif interval is not None:
                        metric = replace(
                            metric, low=interval.low, high=interval.high, level=level, interval=interval.method
                        )
                    elif len(evaluation.metrics) == 1 and isinstance(evaluator, Resampled):
                        metric = _with_interval(metric, evaluator, part, seed, resamples, level)
                    else:
                        metric = replace(metric, interval=NO_STATISTIC)
                metrics.append(metric)
            where = {"repeat": repeat, "fold": fold, "n": len(part), "events": int(part.y_true.sum())}
            for curve, data in evaluation.curves.items():
                curves.setdefault(curve, {}).setdefault(split, []).append({**where, **data})
    return Evaluation(tuple(metrics), curves)


def _parts(patients: Predictions, splits: Sequence[str]) -> Iterator[tuple[str, int, int, int, Predictions]]:
    """Yield split, repeat, fold, the number of folds of that split, and the rows."""
    for split in splits:
        groups = list(patients.table[patients.table["split"] == split].groupby(["repeat", "fold"], sort=True))
        for _, rows in groups:
            repeat, fold = int(rows["repeat"].iloc[0]), int(rows["fold"].iloc[0])
            yield split, repeat, fold, len(groups), replace(patients, table=rows)


def _with_interval(
    metric: Metric, evaluator: Resampled, part: Predictions, seed: int, resamples: int, level: float
) -> Metric:
    score = part.y_score
    if evaluator.thresholded:
        score = (score >= part.threshold).astype(np.float64)
    interval = bootstrap_interval(
        part.y_true,
        score,
        evaluator.statistic,
        resamples=resamples,
        level=level,
        stratified=evaluator.stratified,
        seed=seed,
    )
    return replace(metric, low=interval.low, high=interval.high, level=level, interval=interval.method)


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
