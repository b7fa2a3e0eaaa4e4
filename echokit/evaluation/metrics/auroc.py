"""Area under the ROC curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.evaluation.cross_validation import joined_auroc
from echokit.evaluation.evaluation import Interval, Metric
from echokit.evaluation.evaluator import Floats, Labels, Weights
from echokit.evaluation.metrics.patient_metric import PatientMetric
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.delong import delong_interval
from echokit.evaluation.statistics.ranking import operating_points, rank


class Auroc(PatientMetric):
    """Area under the ROC curve.

    The probability that a random positive patient scores above a random negative one; ties count half. Undefined if a
    class is missing. The baseline is 0.5. The interval is DeLong's on the logit scale. The curve ``roc`` holds ``fpr,
    tpr, threshold``, highest threshold first; the first threshold is null (above every score).
    """

    name = "auroc"
    definition = (
        "area under the ROC curve (Mann-Whitney): the probability that a random patient of the positive class "
        "({positive}) scores higher than a random patient of the other class, ties counting half; needs no threshold; "
        "the baseline is a random ranking"
    )
    stratified = True

    def baseline(self, y: npt.NDArray[np.int64], score: Floats) -> float:
        """Return 0.5, the expectation of a random ranking."""
        return 0.5

    def statistic(self, y: Labels, score: Floats, weights: Weights) -> Floats:
        """Compute the weighted AUROC.

        Args:
            y: (n,) int64 of 0 and 1.
            score: (n,) float64.
            weights: (B, n), how often each patient is in each resample.

        Returns:
            (B,) float64, NaN where a class has no weight.
        """
        ranking = rank(y, score, weights)
        # A positive wins against the negatives below it, and against half of those tied with it.
        lost = 0.5 * np.einsum("bk,bk->b", ranking.hits, ranking.above + ranking.reached)
        pairs = ranking.positives * ranking.negatives
        value = np.full(len(pairs), np.nan)
        np.divide(pairs - lost, pairs, out=value, where=pairs > 0)
        return value

    def intervals(self, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Compute DeLong's interval."""
        reason = self.undefined(predictions)
        if reason:
            return (Interval(None, None, f"undefined: {reason}"),)
        return (delong_interval(predictions.y_true, predictions.y_score, level),)

    def across_folds(self, folds: Sequence[Predictions], *, level: float) -> Sequence[Metric]:
        """Compute the AUROC within folds with an interval, and the pooled AUROC."""
        return joined_auroc(folds, level=level)

    def curves(self, predictions: Predictions) -> dict[str, Any]:
        """Return the ROC curve."""
        threshold, tp, fp = operating_points(predictions.y_true, predictions.y_score)
        return {
            "roc": {
                "fpr": [0.0, *(fp / fp[-1]).tolist()],
                "tpr": [0.0, *(tp / tp[-1]).tolist()],
                "threshold": [None, *threshold.tolist()],
            }
        }
