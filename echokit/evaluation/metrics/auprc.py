"""Average precision of the positive class (area under the precision-recall curve)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.evaluation.evaluation import BaselineTest, Interval
from echokit.evaluation.evaluator import Floats, Labels, Weights
from echokit.evaluation.metrics.patient_metric import PatientMetric
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.bootstrap import bootstrap_interval
from echokit.evaluation.statistics.null_distributions import (
    chance_average_precision,
    permutation_p,
    shuffled_average_precision,
)
from echokit.evaluation.statistics.ranking import operating_points, rank

ENOUGH_POSITIVES = 20
SHUFFLES = 2_000
"""Of the test against the baseline."""


class Auprc(PatientMetric):
    """Average precision of the positive class.

    The step-wise sum over thresholds of (R_k - R_{k-1}) P_k, tied scores taken together. Not the trapezoid
    area, which is optimistic (Davis and Goadrich, 2006), and not the average over both classes. Undefined
    if a class is missing. The baseline is the mean of the permutation null: the same scores, ties included, for
    permuted classes. It lies above the prevalence in small cohorts. Below 20 positives no interval method is known to
    cover, so the permutation null is given instead. The curve ``pr`` holds ``recall, precision, threshold``, highest
    threshold first.
    """

    name = "auprc"
    definition = (
        "average precision of the positive class ({positive}) only: the step-wise sum over thresholds of "
        "(R_k - R_{k-1}) P_k with recall R and precision P, tied scores taken together; not the trapezoid area and "
        "not a macro average over both classes; the baseline is the mean of the permutation null: the same "
        "scores, ties included, for permuted classes"
    )

    def baseline(self, y: npt.NDArray[np.int64], score: Floats) -> float:
        """Compute the mean of the permutation null: these scores for random classes."""
        return chance_average_precision(int(y.sum()), score)

    def statistic(self, y: Labels, score: Floats, weights: Weights) -> Floats:
        """Compute the weighted average precision.

        Args:
            y: (n,) int64 of 0 and 1.
            score: (n,) float64.
            weights: (B, n), how often each patient is in each resample.

        Returns:
            (B,) float64, NaN where a class has no weight.
        """
        ranking = rank(y, score, weights)
        # Recall only rises at scores of positives, so the sum over all thresholds has no other terms.
        true_positives = np.cumsum(ranking.hits, axis=1)
        predicted_positives = true_positives + ranking.reached
        # Without predicted positives there are no true ones: the term is 0, which 0 / tiny gives.
        precision = np.divide(
            true_positives, np.maximum(predicted_positives, np.finfo(np.float64).tiny), out=predicted_positives
        )
        total = np.einsum("bk,bk->b", ranking.hits, precision)
        defined = (ranking.positives > 0) & (ranking.negatives > 0)
        value = np.full(len(total), np.nan)
        np.divide(total, ranking.positives, out=value, where=defined)
        return value

    def intervals(self, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Compute a bootstrap interval from 20 positives on, else a null range."""
        reason = self.undefined(predictions)
        if reason:
            return (Interval(None, None, f"undefined: {reason}"),)
        y, score = predictions.y_true, predictions.y_score
        positives = int(y.sum())
        if positives >= ENOUGH_POSITIVES:
            interval = bootstrap_interval(
                y,
                score,
                self.statistic,
                resamples=resamples,
                level=level,
                stratified=False,
                seed=seed,
                ranked=True,
            )
            return (interval,)
        null = shuffled_average_precision(score, positives, shuffles=resamples, seed=seed)
        value = float(self.statistic(y, score, np.ones((1, len(y))))[0])
        method = (
            f"none below {ENOUGH_POSITIVES} positives; permutation null of {resamples:,} shuffles: mean "
            f"{null.mean():.3f}, 95th percentile {np.quantile(null, 0.95):.3f}, p = {permutation_p(value, null):.4f}"
        )
        return (Interval(None, None, method),)

    def against_baseline(self, predictions: Predictions, *, seed: int) -> Sequence[BaselineTest | None]:
        """Compare with the permutation null."""
        if self.undefined(predictions):
            return (None,)
        y, score = predictions.y_true, predictions.y_score
        value = float(self.statistic(y, score, np.ones((1, len(y))))[0])
        null = shuffled_average_precision(score, int(y.sum()), shuffles=SHUFFLES, seed=seed)
        p = min(1.0, 2 * min(permutation_p(value, null), permutation_p(-value, -null)))
        return (BaselineTest(p, f"permutation test of {SHUFFLES:,} shuffles"),)

    def curves(self, predictions: Predictions) -> dict[str, Any]:
        """Return the precision-recall curve."""
        threshold, tp, fp = operating_points(predictions.y_true, predictions.y_score)
        return {
            "pr": {
                "recall": (tp / tp[-1]).tolist(),
                "precision": (tp / (tp + fp)).tolist(),
                "threshold": threshold.tolist(),
            }
        }
