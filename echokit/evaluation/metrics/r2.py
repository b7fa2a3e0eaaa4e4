"""Coefficient of determination."""

from __future__ import annotations

import numpy as np

from echokit.evaluation.evaluator import Floats, Labels, Weights
from echokit.evaluation.metrics.estimate_metric import EstimateMetric
from echokit.evaluation.metrics.patient_metric import weighted_mean


class R2(EstimateMetric):
    """Coefficient of determination, 1 - residual / total sum of squares.

    Not the squared correlation: it punishes bias and wrong scale, and can be negative. Undefined if all true values
    are equal.
    """

    metric = "r2"
    definition = (
        "1 - sum of squared errors / sum of squares around the mean of these patients; not a squared correlation"
    )
    unit = ""
    least = 2

    def formula(self, target: Labels, prediction: Floats, weights: Weights) -> Floats:
        """Compute the weighted R2, (B,) float64; NaN if all true values are equal."""
        shifted = target - target.mean()  # keeps the difference of the squares exact
        mean = weighted_mean(shifted, weights)
        total = weighted_mean(shifted**2, weights) - mean**2
        error = weighted_mean((prediction - target) ** 2, weights)
        value = np.full(len(total), np.nan)
        scale = float(np.square(shifted).max()) if len(shifted) else 0.0
        np.divide(total - error, total, out=value, where=total > 1e-14 * scale)
        return value
