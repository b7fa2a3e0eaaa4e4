"""One number for a whole cross-validation, and an interval for what it estimates.

The estimand is the mean performance of the procedure at this training size: not of one model, as every fold has its
own. Scores of different folds come from different models, so an AUROC compares patients within a fold only; scores
that are pooled over folds are ranked across models too, which biases it, mostly down.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from echokit.evaluate.delong import auroc_covariance, on_the_logit, placements, score_type
from echokit.evaluate.evaluation import Metric
from echokit.evaluate.predictions import Predictions
from echokit.evaluate.proportion import wilson

if TYPE_CHECKING:
    from echokit.evaluate.calls import Proportion

# How much larger the standard error is than that of fixed scores: simulations of the whole procedure on redrawn cohorts
# cover at least 93 % with it (benchmarks/coverage.py). It does not fade with the number of patients where there is no
# signal: there a new training set moves the result as much as a new test set does. With a signal it is too wide.
WIDENING = 1.45
BIAS_WORTH_NOTING = 0.03
APPROXIMATE = "approximate, for the procedure's mean at this training size"


def over_folds(metrics: Iterable[Metric]) -> list[Metric]:
    """Mean and sample SD (ddof = 1) over folds, of each metric and subgroup: the way the study reports.

    Args:
        metrics: Of one evaluator and split, one a fold; folds where the metric is undefined are counted and left out.
    """
    groups: dict[tuple[str, str | None], list[Metric]] = {}
    for metric in metrics:
        groups.setdefault((metric.metric, metric.subgroup), []).append(metric)
    return [row for folds in groups.values() for row in _mean_and_sd(folds)]


def _mean_and_sd(folds: Sequence[Metric]) -> list[Metric]:
    values = [metric.value for metric in folds if metric.value is not None]
    baselines = [m.baseline for m in folds if m.value is not None and m.baseline is not None]
    undefined = len(folds) - len(values)
    over = f"{len(values)} folds" + (f"; {undefined} more are undefined and left out" if undefined else "")
    first = folds[0]
    thresholds = {metric.threshold for metric in folds}
    common = replace(
        first,
        repeat=None,
        fold=None,
        low=None,
        high=None,
        level=None,
        n=sum(metric.n for metric in folds if metric.repeat == first.repeat),
        events=sum(metric.events for metric in folds if metric.repeat == first.repeat),
        threshold=first.threshold if len(thresholds) == 1 else None,
    )
    no_value = f"undefined in all {len(folds)} folds"
    mean = replace(
        common,
        metric=f"{first.metric}_fold_mean",
        definition=f"mean over {over}, of: {first.definition}",
        value=statistics.fmean(values) if values else None,
        baseline=statistics.fmean(baselines) if values and len(baselines) == len(values) else None,
        interval="none: folds share training cases, so their spread is no standard error" if values else no_value,
    )
    sd = replace(
        common,
        metric=f"{first.metric}_fold_sd",
        definition=f"sample standard deviation (ddof = 1) over {over}, of: {first.definition}",
        value=statistics.stdev(values) if len(values) > 1 else None,
        baseline=None,
        interval="none: it describes the folds" if len(values) > 1 else "undefined: fewer than two defined folds",
    )
    return [mean, sd]


def joined_auroc(folds: Sequence[Predictions], *, level: float) -> list[Metric]:
    """AUROC within folds, weighted by pairs, and over pooled scores.

    Args:
        folds: Test parts, one row a patient; the rows say their repeat.
        level: Nominal level of the interval.
    """
    n, events = _patients(folds)
    positive = folds[0].positive
    won, pairs = 0.0, 0
    for fold in folds:
        y = fold.y_true
        here = int(y.sum()) * int(len(y) - y.sum())
        if here:
            won += float(placements(y, fold.y_score)[0].mean()) * here
            pairs += here
    defined = sum(0 < fold.y_true.sum() < len(fold) for fold in folds)
    repeats = _repeats(folds)
    words = (
        f"share of the pairs of a patient of the positive class ({positive!r}) and another of the same test fold that "
        f"the score orders rightly, ties counting half: {pairs:,} pairs in {defined} folds"
        + (f" of {len(repeats)} repeats" if len(repeats) > 1 else "")
        + (f"; {len(folds) - defined} folds with one class have none" if defined < len(folds) else "")
        + "; the baseline is a random ranking"
    )
    within = Metric(
        metric="auroc_within_fold",
        definition=words,
        value=won / pairs if pairs else None,
        n=n,
        events=events,
        baseline=0.5 if pairs else None,
        interval=None if pairs else "undefined: no fold has both classes",
    )
    pooled = [joined for part in repeats if (joined := _pool(part)) is not None]
    if not 0 < events < n or len(pooled) < len(repeats):
        why = "the same patient is in several test folds of a repeat" if 0 < events < n else "only one class"
        return [replace(within, interval=within.interval or f"none: {why}")]
    found = [auroc_covariance(part.y_true, part.y_score) for part in pooled]
    value, variance = (float(np.mean([one[i].ravel()[0] for one in found])) for i in (0, 1))
    rows = [_with_interval(within, variance, level)] if pairs else [within]
    apart = 0.0 if within.value is None else value - within.value
    note = (
        f"; it differs from the AUROC within folds by {apart:+.3f}: that is the bias of ranking scores of different "
        "models together"
        if abs(apart) > BIAS_WORTH_NOTING
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
            events=events,
            baseline=0.5,
            interval="none: pooled over models; see the AUROC within folds",
        )
    )
    return rows


def _with_interval(within: Metric, variance: float, level: float) -> Metric:
    """DeLong's standard error of the pooled scores, widened, on the logit around the AUROC within folds."""
    value = float(within.value or 0.0)
    if variance > 0 and 0 < value < 1:
        low, high = on_the_logit(value, WIDENING * math.sqrt(variance), level)
        method = "DeLong on the logit scale"
    else:
        # Patients are discounted, as the score-type interval knows no standard error.
        low, high = score_type(
            value, max(1.0, within.events / WIDENING**2), max(1.0, (within.n - within.events) / WIDENING**2), level
        )
        method = "score-type (Newcombe 2006, method 5)"
    words = f"{APPROXIMATE}: {method}, standard error x {WIDENING:g}"
    return replace(within, low=low, high=high, level=level, interval=words)


def pooled_proportion(evaluator: Proportion, folds: Sequence[Predictions], *, level: float) -> list[Metric]:
    """Pool the calls of all test folds, each made at its own threshold, with a widened interval.

    Args:
        evaluator: Of a share of patients.
        folds: Test parts, one row a patient.
        level: Nominal level of the interval.
    """
    from echokit.evaluate.calls import as_calls, counts_of

    repeats = _repeats(folds)
    pooled = [joined for part in repeats if (joined := _pool([as_calls(fold) for fold in part])) is not None]
    if len(pooled) < len(repeats):
        return []
    shares = [tuple(float(x[0]) for x in evaluator.share(counts_of(part))) for part in pooled]
    evaluations = [evaluator(part).metrics[0] for part in pooled]
    first = evaluations[0]
    right, of = (statistics.fmean(share[i] for share in shares) for i in (0, 1))
    thresholds = {fold.threshold for fold in folds}
    origins = list(dict.fromkeys(fold.threshold_origin for fold in folds))
    at = f"the threshold {folds[0].threshold:g}, {origins[0]}" if len(thresholds) == 1 else "its fold's own threshold"
    baselines = [one.baseline for one in evaluations if one.baseline is not None]
    interval = wilson(right / WIDENING**2, of / WIDENING**2, level)
    return [
        replace(
            first,
            metric=f"{first.metric}_pooled",
            definition=(
                f"{evaluator.definition}, over the patients of all test folds, each called at {at}"
                + (", mean over repeats" if len(repeats) > 1 else "")
                + f"; positive class {folds[0].positive!r}; the baseline is {evaluator.baseline_is}"
            ),
            value=right / of if of else None,
            baseline=statistics.fmean(baselines) if of and baselines else None,
            threshold=float(folds[0].threshold) if len(thresholds) == 1 else None,
            low=interval.low,
            high=interval.high,
            level=level if interval.low is not None else None,
            interval=f"{APPROXIMATE}: Wilson score interval of {of:g} patients discounted by {WIDENING**2:.2f}"
            if of
            else f"undefined: {evaluator.undefined}",
        )
    ]


def _repeats(folds: Sequence[Predictions]) -> list[list[Predictions]]:
    groups: dict[int, list[Predictions]] = {}
    for fold in folds:
        groups.setdefault(int(fold.table["repeat"].iloc[0]), []).append(fold)
    return list(groups.values())


def _pool(folds: Sequence[Predictions]) -> Predictions | None:
    """Put the folds of one repeat under each other; None where a patient is in several of them."""
    import pandas as pd

    table = pd.concat([fold.table for fold in folds], ignore_index=True)
    return None if table["patient_id"].duplicated().any() else replace(folds[0], table=table)


def _patients(folds: Sequence[Predictions]) -> tuple[int, int]:
    """Distinct patients, and those of the positive class."""
    import pandas as pd

    table = pd.concat([fold.table for fold in folds], ignore_index=True).drop_duplicates("patient_id")
    return len(table), int(table["y_true"].sum())
