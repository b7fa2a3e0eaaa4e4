"""Root mean squared error."""

from __future__ import annotations

import numpy as np

from echokit.evaluation.evaluator import Floats, Labels, Weights
from echokit.evaluation.metrics.estimate_metric import EstimateMetric
from echokit.evaluation.metrics.patient_metric import weighted_mean


class Rmse(EstimateMetric):
    """Root mean squared error, in the unit of the target; lower is better."""

    metric = "rmse"
    larger_is_better = False
    definition = (
        "square root of the mean squared difference between estimate and truth (n in the denominator); lower is better"
    )

    def formula(self, target: Labels, prediction: Floats, weights: Weights) -> Floats:
        """Compute the weighted root mean squared error, (B,) float64."""
        return np.sqrt(weighted_mean((prediction - target) ** 2, weights))
