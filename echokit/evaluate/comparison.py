"""Two sets of scores of the same patients, compared in pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from echokit.errors import DataError
from echokit.evaluate.bootstrap import CHUNK_ELEMENTS, resample_weights
from echokit.evaluate.delong import auroc_covariance
from echokit.evaluate.predictions import Predictions
from echokit.evaluate.proportion import z_of

if TYPE_CHECKING:
    from echokit.evaluate.bootstrap import Statistic

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How much the second run is above the first in one metric.

    Attributes:
        metric: What is compared.
        first, second: Its values, None where undefined.
        value: Second less first.
        low, high: Interval of the difference, or None.
        level: Its level.
        p: Two-sided p value, or None where the method gives none.
        method: How interval and p value were made, in words.
        n, events: Patients, and those of the positive class.
    """

    metric: str
    first: float | None
    second: float | None
    value: float | None
    low: float | None
    high: float | None
    level: float
    p: float | None
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
    """Compare two runs on the same patients: AUROC, average precision, accuracy and, of probabilities, Brier score.

    Args:
        first, second: One row a case; one fold each.
        split: Which part.
        level: Nominal level of the intervals.
        seed: Of the bootstrap; both runs see the same resamples.
        resamples: Bootstrap resamples.

    Raises:
        DataError: The patients or their classes are not the same, or a part has several folds: scores out of folds
            come from models that share training patients, and no paired test holds its level for them.
    """
    a, b = _matched(first, second, split)
    y = a.y_true
    n, events = len(y), int(y.sum())
    common = {"level": level, "n": n, "events": events}
    rows = [_delong(y, np.stack([a.y_score, b.y_score]), common)]
    for name, statistic in _statistics(a, b):
        rows.append(_paired_bootstrap(name, statistic, a, b, common, seed, resamples))
    rows.append(_mcnemar(a, b, common))
    return rows


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Exact two-sided p value of McNemar's test: the pairs that differ are a fair coin under the null.

    Args:
        only_first: Patients that only the first calls rightly.
        only_second: Patients that only the second calls rightly.
    """
    from scipy.stats import binom

    differ = only_first + only_second
    return min(1.0, 2 * float(binom.cdf(min(only_first, only_second), differ, 0.5))) if differ else 1.0


def _matched(first: Predictions, second: Predictions, split: str) -> tuple[Predictions, Predictions]:
    parts = []
    for which, predictions in (("first", first), ("second", second)):
        table = predictions.table[predictions.table["split"] == split]
        folds = len(table[["repeat", "fold"]].drop_duplicates())
        if folds == 0:
            raise DataError(f"the {which} run has no {split} part")
        if folds > 1:
            raise DataError(
                f"the {split} scores of the {which} run come from {folds} folds, and can not be compared in pairs",
                hint="models of different folds share training patients, so that no paired test holds its level; "
                "compare on one test set that neither run has seen",
            )
        part = replace(predictions, table=table).per_patient()
        parts.append(replace(part, table=part.table.sort_values("patient_id", ignore_index=True)))
    a, b = parts
    missing = set(a.table["patient_id"]) ^ set(b.table["patient_id"])
    if missing:
        raise DataError(
            f"{len(missing)} patients are in one of the runs only, for example {min(map(str, missing))!r}",
            hint="compare runs on the same test part",
        )
    differ = a.table.loc[a.y_true != b.y_true, "patient_id"]
    if len(differ):
        raise DataError(f"the runs disagree about the class of {len(differ)} patients, for example {differ.iloc[0]!r}")
    return a, b


def _delong(y: npt.NDArray[np.int64], scores: Floats, common: dict[str, Any]) -> Difference:
    method = "DeLong, paired"
    if not 0 < y.sum() < len(y):
        return _none("auroc", f"{method}: undefined: only one class", common)
    (first, second), covariance = auroc_covariance(y, scores)
    value = float(second - first)
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if not variance > 0:
        words = f"{method}: no interval, as the variance of the difference is zero or undefined"
        return Difference(
            metric="auroc",
            first=float(first),
            second=float(second),
            value=value,
            low=None,
            high=None,
            p=None,
            method=words,
            **common,
        )
    half = z_of(common["level"]) * math.sqrt(variance)
    return Difference(
        metric="auroc",
        first=float(first),
        second=float(second),
        value=value,
        low=value - half,
        high=value + half,
        p=math.erfc(abs(value) / math.sqrt(2 * variance)),
        method=method,
        **common,
    )


def _statistics(a: Predictions, b: Predictions) -> Sequence[tuple[str, Statistic]]:
    from echokit.evaluate.auprc import Auprc
    from echokit.evaluate.auroc import Auroc
    from echokit.evaluate.brier import Brier

    statistics: list[tuple[str, Statistic]] = [("auroc", Auroc().statistic), ("auprc", Auprc().statistic)]
    if a.probability and b.probability:
        statistics.append(("brier", Brier().statistic))
    return statistics


def _paired_bootstrap(
    metric: str,
    statistic: Statistic,
    a: Predictions,
    b: Predictions,
    common: dict[str, Any],
    seed: int,
    resamples: int,
) -> Difference:
    y = a.y_true
    one = np.ones((1, len(y)))
    first, second = (float(statistic(y, part.y_score, one)[0]) for part in (a, b))
    method = f"percentile bootstrap over patients, both runs on the same {resamples:,} resamples"
    if math.isnan(first) or math.isnan(second):
        return _none(metric, f"{method}: undefined: only one class", common)
    chunk = max(1, CHUNK_ELEMENTS // len(y))
    drawn = resample_weights(y, resamples=resamples, stratified=metric == "auroc", seed=seed, chunk=chunk)
    values = np.concatenate([statistic(y, b.y_score, w) - statistic(y, a.y_score, w) for w in drawn])
    values = values[~np.isnan(values)]
    low, high = np.quantile(values, [(1 - common["level"]) / 2, (1 + common["level"]) / 2])
    return Difference(
        metric=metric,
        first=first,
        second=second,
        value=second - first,
        low=float(low),
        high=float(high),
        p=None,
        method=method,
        **common,
    )


def _mcnemar(a: Predictions, b: Predictions, common: dict[str, Any]) -> Difference:
    first, second = ((part.y_score >= part.threshold) == (part.y_true == 1) for part in (a, b))
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    thresholds = f"{a.threshold:g} and {b.threshold:g}"
    return Difference(
        metric="accuracy",
        first=float(first.mean()),
        second=float(second.mean()),
        value=float(second.mean() - first.mean()),
        low=None,
        high=None,
        p=mcnemar_p(only_first, only_second),
        method=f"McNemar, exact: {only_first} patients right in the first run only, {only_second} in the second only, "
        f"at the thresholds {thresholds}",
        **common,
    )


def _none(metric: str, method: str, common: dict[str, Any]) -> Difference:
    return Difference(
        metric=metric, first=None, second=None, value=None, low=None, high=None, p=None, method=method, **common
    )
