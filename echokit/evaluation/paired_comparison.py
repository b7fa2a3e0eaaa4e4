"""Paired comparison of two sets of scores of the same patients."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from echokit.errors import DataError
from echokit.evaluation.evaluator import Floats
from echokit.evaluation.metrics.auprc import Auprc
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.metrics.brier import Brier
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.against_baseline import mcnemar_p
from echokit.evaluation.statistics.bootstrap import CHUNK_ELEMENTS, Statistic, resample_weights
from echokit.evaluation.statistics.delong import auroc_covariance
from echokit.evaluation.statistics.wilson import z_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Difference of the second run from the first in one metric.

    Attributes:
        metric: Name of the metric.
        first, second: Its values, None if undefined.
        value: Second less first.
        low, high: Interval of the difference, or None.
        level: Its level.
        p: Two-sided p value, or None if the method gives none.
        method: Name of the method of interval and p value.
        n, events: Patients, and those of the positive class.
    """

    metric: str
    first: float | None = None
    second: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float
    p: float | None = None
    method: str
    n: int
    events: int


def compare_predictions(
    first: Predictions,
    second: Predictions,
    *,
    split: str = "test",
    level: float = 0.95,
    seed: int = 0,
    resamples: int = 10_000,
) -> list[Difference]:
    """Compare two runs on the same patients.

    The metrics are AUROC, average precision, accuracy and, of probabilities, the Brier score.

    Args:
        first, second: One row a case; one fold each.
        split: ``train``, ``val`` or ``test``.
        level: Nominal level of the intervals.
        seed: Of the bootstrap; both runs see the same resamples.
        resamples: Bootstrap resamples.

    Raises:
        DataError: The patients or their classes are not the same, or a split has several folds: scores out of folds
            come from models that share training patients, and no paired test holds its level for them.
    """
    a, b = _matched(first, second, split)
    y = a.y_true
    empty = Difference(metric="auroc", level=level, method="", n=len(y), events=int(y.sum()))
    statistics: dict[str, Statistic] = {"auroc": Auroc().statistic, "auprc": Auprc().statistic}
    if a.probability and b.probability:
        statistics["brier"] = Brier().statistic
    rows = [_delong(y, np.stack([a.y_score, b.y_score]), empty)]
    for name, statistic in statistics.items():
        rows.append(_paired_bootstrap(statistic, a, b, replace(empty, metric=name), seed, resamples))
    return [*rows, _mcnemar(a, b, empty)]


def _matched(first: Predictions, second: Predictions, split: str) -> tuple[Predictions, Predictions]:
    parts = []
    for which, predictions in (("first", first), ("second", second)):
        table = predictions.table[predictions.table["split"] == split]
        folds = len(table[["repeat", "fold"]].drop_duplicates())
        if folds == 0:
            raise DataError(f"the {which} run has no {split} predictions", code="comparison.no_split")
        if folds > 1:
            raise DataError(
                f"the {split} scores of the {which} run come from {folds} folds, and cannot be compared in pairs",
                hint="models of different folds share training patients, so that no paired test holds its level; "
                "compare on one test set that neither run has seen",
                code="comparison.many_folds",
            )
        part = replace(predictions, table=table).per_patient()
        parts.append(replace(part, table=part.table.sort_values("patient_id", ignore_index=True)))
    a, b = parts
    missing = set(a.table["patient_id"]) ^ set(b.table["patient_id"])
    if missing:
        raise DataError(
            f"{len(missing)} patients are in one of the runs only, for example {min(map(str, missing))!r}",
            hint="compare runs on the same test set",
            code="comparison.other_patients",
        )
    differ = a.table.loc[a.y_true != b.y_true, "patient_id"]
    if len(differ):
        raise DataError(
            f"the runs have different classes for {len(differ)} patients, for example {differ.iloc[0]!r}",
            code="comparison.other_classes",
        )
    return a, b


def _delong(y: npt.NDArray[np.int64], scores: Floats, empty: Difference) -> Difference:
    method = "DeLong, paired"
    if not 0 < y.sum() < len(y):
        return replace(empty, method=f"{method}: undefined: only one class")
    (first, second), covariance = auroc_covariance(y, scores)
    value = float(second - first)
    row = replace(empty, first=float(first), second=float(second), value=value, method=method)
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if not variance > 0:
        return replace(row, method=f"{method}: no interval, as the variance of the difference is zero or undefined")
    half = z_of(row.level) * math.sqrt(variance)
    p = math.erfc(abs(value) / math.sqrt(2 * variance))
    return replace(row, low=value - half, high=value + half, p=p)


def _paired_bootstrap(
    statistic: Statistic, a: Predictions, b: Predictions, empty: Difference, seed: int, resamples: int
) -> Difference:
    y = a.y_true
    one = np.ones((1, len(y)))
    first, second = (float(statistic(y, part.y_score, one)[0]) for part in (a, b))
    method = f"percentile bootstrap over patients, both runs on the same {resamples:,} resamples"
    if math.isnan(first) or math.isnan(second):
        return replace(empty, method=f"{method}: undefined: only one class")
    chunk = max(1, CHUNK_ELEMENTS // len(y))
    drawn = resample_weights(y, resamples=resamples, stratified=empty.metric == "auroc", seed=seed, chunk=chunk)
    values = np.concatenate([statistic(y, b.y_score, w) - statistic(y, a.y_score, w) for w in drawn])
    values = values[~np.isnan(values)]
    low, high = np.quantile(values, [(1 - empty.level) / 2, (1 + empty.level) / 2])
    value = second - first
    return replace(empty, first=first, second=second, value=value, low=float(low), high=float(high), method=method)


def _mcnemar(a: Predictions, b: Predictions, empty: Difference) -> Difference:
    first, second = ((part.y_score >= part.threshold) == (part.y_true == 1) for part in (a, b))
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    return replace(
        empty,
        metric="accuracy",
        first=float(first.mean()),
        second=float(second.mean()),
        value=float(second.mean() - first.mean()),
        p=mcnemar_p(only_first, only_second),
        method=f"McNemar, exact: {only_first} patients right in the first run only, {only_second} in the second only, "
        f"at the thresholds {a.threshold:g} and {b.threshold:g}",
    )
