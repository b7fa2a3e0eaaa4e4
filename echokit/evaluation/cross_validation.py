"""Metrics of a whole cross-validation, and intervals for what they estimate.

The estimand is the mean performance of the training procedure at this training size: not of one model, as every fold
has its own. Scores of different folds come from different models, so an AUROC compares patients within a fold only;
scores that are pooled over folds are ranked across models too, which biases it, mostly down.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from echokit.evaluation.evaluation import Interval, Metric
from echokit.evaluation.evaluator import Floats
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.call_counts import Counts, binarize, counts_of
from echokit.evaluation.statistics.delong import auroc_covariance, on_the_logit, placements, score_type
from echokit.evaluation.statistics.wilson import wilson

Share = Callable[[Counts], tuple[Floats, Floats]]

# Factor on the standard error of fixed scores: simulations of the whole procedure on redrawn cohorts cover at least
# 93 % with it (benchmarks/coverage.py). Without a signal it is needed at any number of patients, as a new training set
# then moves the result as much as a new test set does. With a signal it is too wide.
WIDENING = 1.45
BIAS_WORTH_NOTING = 0.03
APPROXIMATE = "approximate, for the procedure's mean at this training size"


def joined_auroc(folds: Sequence[Predictions], *, level: float) -> list[Metric]:
    """Compute the AUROC within folds, weighted by pairs, and the pooled AUROC.

    Args:
        folds: Test sets, one row a patient; the rows give their repeat.
        level: Nominal level of the interval.
    """
    n, positives = _count_patients(folds)
    ordered, pairs = 0.0, 0
    for fold in folds:
        y = fold.y_true
        fold_pairs = int(y.sum()) * int(len(y) - y.sum())
        if fold_pairs:
            ordered += float(placements(y, fold.y_score)[0].mean()) * fold_pairs
            pairs += fold_pairs
    n_defined = sum(0 < fold.y_true.sum() < len(fold) for fold in folds)
    repeats = _by_repeat(folds)
    definition = (
        f"share of the pairs of a patient of the positive class ({folds[0].positive!r}) and another of the same test "
        f"fold that the score orders correctly, ties counting half: {pairs:,} pairs in {n_defined} folds"
        + (f" of {len(repeats)} repeats" if len(repeats) > 1 else "")
        + (f"; {len(folds) - n_defined} folds with one class have none" if n_defined < len(folds) else "")
        + "; the baseline is a random ranking"
    )
    within = Metric(
        metric="auroc_within_fold",
        definition=definition,
        value=ordered / pairs if pairs else None,
        n=n,
        events=positives,
        baseline=0.5 if pairs else None,
        interval=None if pairs else "undefined: no fold has both classes",
    )
    pooled = [joined for part in repeats if (joined := _concatenate(part)) is not None]
    if not 0 < positives < n or len(pooled) < len(repeats):
        why = "the same patient is in several test folds of a repeat" if 0 < positives < n else "only one class"
        return [replace(within, interval=within.interval or f"none: {why}")]
    estimates = [auroc_covariance(part.y_true, part.y_score) for part in pooled]
    value, variance = (float(np.mean([estimate[i].ravel()[0] for estimate in estimates])) for i in (0, 1))
    rows = [_with_interval(within, variance, level)] if pairs else [within]
    bias = 0.0 if within.value is None else value - within.value
    note = (
        f"; it differs from the AUROC within folds by {bias:+.3f}: that is the bias of ranking scores of different "
        "models together"
        if abs(bias) > BIAS_WORTH_NOTING
        else ""
    )
    rows.append(
        Metric(
            metric="auroc_pooled",
            definition="AUROC over the scores of all test folds together"
            + (", mean over repeats" if len(repeats) > 1 else "")
            + f"; the scores come from different models{note}; the baseline is a random ranking",
            value=value,
            n=n,
            events=positives,
            baseline=0.5,
            interval="none: pooled over models; see the AUROC within folds",
        )
    )
    return rows


def _with_interval(within: Metric, variance: float, level: float) -> Metric:
    """Add the widened DeLong interval of the pooled scores to the AUROC within folds."""
    value = float(within.value or 0.0)
    if variance > 0 and 0 < value < 1:
        low, high = on_the_logit(value, WIDENING * math.sqrt(variance), level)
        method = "DeLong on the logit scale"
    else:
        # The score-type interval takes no standard error, so the patients are discounted instead.
        low, high = score_type(
            value, max(1.0, within.events / WIDENING**2), max(1.0, (within.n - within.events) / WIDENING**2), level
        )
        method = "score-type (Newcombe 2006, method 5)"
    method = f"{APPROXIMATE}: {method}, standard error x {WIDENING:g}"
    return replace(within, low=low, high=high, level=level, interval=method)


@dataclass(frozen=True, slots=True)
class PooledProportion:
    """A proportion over all test patients, each at the threshold of its fold.

    Attributes:
        counts: Of each repeat, arrays of length 1.
        value: Mean over repeats, or None if the denominator is 0.
        interval: Wilson's interval, widened; without ends if the value is None.
        threshold: The threshold of all folds, or None if they differ.
        description: Which patients and which threshold, for the definition of the metric.
    """

    counts: tuple[Counts, ...]
    value: float | None
    interval: Interval
    threshold: float | None
    description: str


def pooled_proportion(share: Share, folds: Sequence[Predictions], *, level: float) -> PooledProportion | None:
    """Pool a proportion over all test folds, with a widened interval.

    None if folds of a repeat share a patient.

    Args:
        share: Counts to numerator and denominator of the proportion, each (B,) float64.
        folds: Test sets, one row a patient; the rows give their repeat.
        level: Nominal level of the interval.
    """
    repeats = _by_repeat(folds)
    pooled = [joined for part in repeats if (joined := _concatenate([binarize(fold) for fold in part])) is not None]
    if len(pooled) < len(repeats):
        return None
    counts = tuple(counts_of(part) for part in pooled)
    shares = [tuple(float(x[0]) for x in share(each)) for each in counts]
    successes, trials = (statistics.fmean(pair[i] for pair in shares) for i in (0, 1))
    same_threshold = len({fold.threshold for fold in folds}) == 1
    first = folds[0]
    which = f"the threshold {first.threshold:g}, {first.threshold_origin}"
    which = which if same_threshold else "its fold's own threshold"
    interval = wilson(successes / WIDENING**2, trials / WIDENING**2, level)
    method = f"{APPROXIMATE}: Wilson score interval of {trials:g} patients discounted by {WIDENING**2:.2f}"
    return PooledProportion(
        counts=counts,
        value=successes / trials if trials else None,
        interval=replace(interval, method=method) if trials else interval,
        threshold=float(first.threshold) if same_threshold else None,
        description=f"over the patients of all test folds, each classified at {which}"
        + (", mean over repeats" if len(repeats) > 1 else ""),
    )


def _by_repeat(folds: Sequence[Predictions]) -> list[list[Predictions]]:
    groups: dict[int, list[Predictions]] = {}
    for fold in folds:
        groups.setdefault(int(fold.table["repeat"].iloc[0]), []).append(fold)
    return list(groups.values())


def _concatenate(folds: Sequence[Predictions]) -> Predictions | None:
    """Join the folds of one repeat; None if a patient is in several of them."""
    import pandas as pd

    table = pd.concat([fold.table for fold in folds], ignore_index=True)
    return None if table["patient_id"].duplicated().any() else replace(folds[0], table=table)


def _count_patients(folds: Sequence[Predictions]) -> tuple[int, int]:
    """Count the distinct patients, and those of the positive class."""
    import pandas as pd

    table = pd.concat([fold.table for fold in folds], ignore_index=True).drop_duplicates("patient_id")
    return len(table), int(table["y_true"].sum())
