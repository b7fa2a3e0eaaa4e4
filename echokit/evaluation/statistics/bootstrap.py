"""Percentile bootstrap over patients, for any metric of weighted patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.evaluation.evaluation import Interval
from echokit.evaluation.evaluator import Evaluator, Floats, Labels, Resampled, Weights, WithIntervals
from echokit.evaluation.statistics.call_counts import checked_values
from echokit.evaluation.statistics.ranking import coarse_ranks

if TYPE_CHECKING:
    from echokit.evaluation.predictions import Predictions

Statistic = Callable[[Labels, Floats, Weights], Floats]

# Weights of one chunk: small enough to stay in a core's cache, which is also what makes it fast.
CHUNK_ELEMENTS = 160_000
FEW = 20
COVERS_LESS = f"with fewer than {FEW} patients of a class it covers less than its level: 85 to 95 % in simulation"


def bootstrap_interval(
    y: Labels,
    score: Floats,
    statistic: Statistic,
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    stratified: bool,
    seed: int,
    ranked: bool = False,
    chunk: int | None = None,
) -> Interval:
    """Compute the percentile bootstrap interval over patients.

    Efron and Tibshirani, 1993, chapter 13.

    Args:
        y: (n,) int64 of 0 and 1, one entry a patient; or (n,) float64 of a quantity, without ``stratified``.
        score: (n,) float64.
        statistic: ``(y, score, weights (B, n)) -> (B,)`` float64, NaN if undefined.
        resamples: Number of resamples.
        level: Nominal level, between 0 and 1.
        stratified: Draw within each class, so that every resample has as many positives as the data.
        seed: Seed of the SFC64 generator, numpy's fastest; the same seed gives the same interval, whatever the chunk.
        ranked: The statistic depends only on how patients of one class rank among those of the other.
        chunk: Resamples handled at once; by default as many as fit a core's cache. Memory is O(chunk x n).

    Raises:
        ValueError: ``resamples`` or ``level`` is out of range, or there are no patients.
    """
    if resamples < 1 or not 0 < level < 1:
        raise ValueError(f"need at least 1 resample and a level between 0 and 1, not {resamples} and {level}")
    if len(y) == 0:
        raise ValueError("nothing to resample: there are no patients")
    chunk = chunk or max(1, CHUNK_ELEMENTS // len(y))
    # Patients of equal class and score are counted together: predicted classes leave four groups of any cohort.
    group, groups = _group_equal(y, coarse_ranks(y, score) if ranked else score)
    weights = resample_weights(y, resamples=resamples, stratified=stratified, seed=seed, chunk=chunk, group=group)
    values = np.concatenate([checked_values(statistic(*groups, part), len(part)) for part in weights])
    values = values[~np.isnan(values)]
    undefined = resamples - len(values)

    method = f"percentile bootstrap over patients, {resamples:,} resamples"
    if stratified:
        method += " stratified by class"
    if undefined:
        method += f"; {undefined:,} of them undefined and left out"
    if not len(values):
        return Interval(None, None, method, undefined)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    if low == high:
        method += "; zero width because the resamples agree, which does not mean certainty"
    return Interval(float(low), float(high), method, undefined)


def resample_weights(
    y: Labels,
    *,
    resamples: int,
    stratified: bool,
    seed: int,
    chunk: int,
    group: npt.NDArray[np.int64] | None = None,
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield how often each patient is drawn, in chunks of resamples.

    Chunks are (<= chunk, n) int64, and every row sums to n. Each of the n draws of a resample is one uniform number, so
    the stream of numbers, and with it the resamples, does not depend on the chunk.

    Args:
        y: (n,) strata of the stratified draws.
        resamples: Number of resamples.
        stratified: Draw within each class.
        seed: Of the generator.
        chunk: Resamples at a time.
        group: (n,) int64: count how often each of these groups of patients is drawn, instead of each patient.
    """
    n = len(y)
    generator = np.random.Generator(np.random.SFC64(seed))
    # Draw i takes one of the `size[i]` patients from `first[i]` on, in an order where each class is
    # contiguous.
    order = np.argsort(y, kind="stable") if stratified else np.arange(n)
    first, size = np.zeros(n, np.int64), np.full(n, n)
    if stratified:
        negatives = int((y == 0).sum())
        first[negatives:], size[:negatives], size[negatives:] = negatives, negatives, n - negatives
    group_of_draw = order if group is None else group[order]
    width = int(group_of_draw.max()) + 1
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        drawn = (generator.random((rows, n)) * size).astype(np.int64)
        drawn += first
        cell = np.take(group_of_draw, drawn)
        cell += np.arange(0, rows * width, width)[:, None]
        yield np.bincount(cell.ravel(), minlength=rows * width).reshape(rows, width)


def _group_equal(y: Labels, score: Floats) -> tuple[npt.NDArray[np.int64], tuple[Labels, Floats]]:
    """Group patients of equal class and score; return groups, classes, scores."""
    order = np.lexsort((score, y))
    new = np.ones(len(y), bool)
    y_ordered, score_ordered = y[order], score[order]
    new[1:] = (y_ordered[1:] != y_ordered[:-1]) | (score_ordered[1:] != score_ordered[:-1])
    group = np.empty(len(y), np.int64)
    group[order] = np.cumsum(new) - 1
    kind = order[new]
    return group, (y[kind], score[kind])


def interval_of(
    evaluator: Evaluator, predictions: Predictions, *, level: float, seed: int, resamples: int
) -> list[Interval]:
    """Compute the intervals of an evaluator: its own, or the bootstrap.

    Empty for neither.

    Args:
        evaluator: Any evaluator.
        predictions: Of one split and fold, one row a patient; at least one.
        level: Nominal level.
        seed: Seed of the bootstrap.
        resamples: Bootstrap resamples.
    """
    if isinstance(evaluator, WithIntervals):
        return list(evaluator.intervals(predictions, level=level, seed=seed, resamples=resamples))
    if not isinstance(evaluator, Resampled):
        return []
    score = predictions.y_score
    if evaluator.thresholded:
        score = (score >= predictions.threshold).astype(np.float64)
    interval = bootstrap_interval(
        predictions.y_true,
        score,
        evaluator.statistic,
        resamples=resamples,
        level=level,
        stratified=evaluator.stratified,
        seed=seed,
    )
    positives = int(predictions.y_true.sum())
    if interval.low is not None and min(positives, len(score) - positives) < FEW:
        interval = replace(interval, method=f"{interval.method}; {COVERS_LESS}")
    return [interval]
