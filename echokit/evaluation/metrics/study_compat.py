"""The three conventions of AUPRC in the reference study (see docs/study.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from echokit.evaluation.evaluation import Evaluation, Interval, Metric
from echokit.evaluation.evaluator import Floats, Labels, Weights
from echokit.evaluation.metrics.auprc import ENOUGH_POSITIVES, Auprc
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.bootstrap import Statistic, bootstrap_interval
from echokit.evaluation.statistics.null_distributions import chance_average_precision
from echokit.evaluation.statistics.ranking import last_of_ties


class StudyCompat:
    """Three conventions of AUPRC, to compare with the reference study.

    ``study_auprc_macro`` is the average precision averaged over both classes (Stage 1, ResNet18 rows: optimistic,
    as the larger class is easy); ``study_auprc_positive`` that of the positive class alone, which is echokit's
    ``auprc``; ``study_auprc_trapezoid`` the trapezoid area under the precision-recall points (Stage 2), which
    interpolates between thresholds (Davis and Goadrich, 2006).
    """

    metric = "study_auprc"

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute the three numbers of one split, one row a patient."""
        y, score = predictions.y_true, predictions.y_score
        n, positives = len(y), int(y.sum())
        one = np.ones((1, n))
        metrics = []
        for name, (statistic, description, chance) in _conventions().items():
            defined = 0 < positives < n
            metrics.append(
                Metric(
                    metric=f"{self.metric}_{name}",
                    definition=f"the reference study's AUPRC, {description}; positive class {predictions.positive!r}",
                    value=float(statistic(y, score, one)[0]) if defined else None,
                    n=n,
                    events=positives,
                    baseline=chance(positives, score) if defined else None,
                    interval=None if defined else f"undefined: only one class among {n} patients",
                )
            )
        return Evaluation(tuple(metrics))

    def intervals(self, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Compute bootstrap intervals from 20 positives on; none below."""
        y, score = predictions.y_true, predictions.y_score
        if int(y.sum()) < ENOUGH_POSITIVES:
            return (Interval(None, None, f"none below {ENOUGH_POSITIVES} positives"),) * len(_conventions())
        return [
            bootstrap_interval(y, score, statistic, resamples=resamples, level=level, stratified=False, seed=seed)
            for statistic, _, _ in _conventions().values()
        ]


def macro_average_precision(y: Labels, score: Floats, weights: Weights) -> Floats:
    """Compute the mean of the average precision of both classes: (B,) float64."""
    statistic = Auprc().statistic
    return 0.5 * (statistic(y, score, weights) + statistic(1 - y, -score, weights))


def trapezoid_area(y: Labels, score: Floats, weights: Weights) -> Floats:
    """Compute the trapezoid area under the precision-recall points: (B,) float64.

    The curve starts from precision 1 at recall 0. NaN where a class has no weight.
    """
    order = np.argsort(-score, kind="stable")
    last = last_of_ties(score[order])
    true_positives = np.cumsum(weights[:, order] * (y[order] == 1), axis=1, dtype=np.float64)[:, last]
    predicted = np.cumsum(weights[:, order], axis=1, dtype=np.float64)[:, last]
    positives, total = true_positives[:, -1:], predicted[:, -1:]
    start = np.ones((len(weights), 1))
    # A threshold above which no patient has weight is no point of the curve: it repeats the start.
    ones = np.ones_like(true_positives)
    precision = np.concatenate([start, np.divide(true_positives, predicted, out=ones, where=predicted > 0)], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.concatenate([0 * start, true_positives / positives], axis=1)
    area = (np.diff(recall, axis=1) * (precision[:, 1:] + precision[:, :-1]) / 2).sum(axis=1)
    return np.where((positives[:, 0] > 0) & (total[:, 0] > positives[:, 0]), area, np.nan)


def _conventions() -> dict[str, tuple[Statistic, str, Any]]:
    return {
        "macro": (
            macro_average_precision,
            "Stage 1 of the ResNet18 models: average precision averaged over both classes, which lies above that of "
            "the rarer class; the baseline is a random ranking",
            lambda events, score: (
                (chance_average_precision(events, score) + chance_average_precision(len(score) - events, -score)) / 2
            ),
        ),
        "positive": (
            Auprc().statistic,
            "average precision of the positive class alone, the same as auprc; the baseline is a random ranking",
            chance_average_precision,
        ),
        "trapezoid": (
            trapezoid_area,
            "Stage 2: trapezoid area under the precision-recall points, from precision 1 at recall 0; no baseline: "
            "its chance value depends on the ties",
            lambda events, score: None,
        ),
    }
