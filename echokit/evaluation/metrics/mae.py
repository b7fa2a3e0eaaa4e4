"""Mean absolute error."""

from __future__ import annotations

import numpy as np

from echokit.evaluation.evaluator import Floats, Labels, Weights
from echokit.evaluation.metrics.estimate_metric import EstimateMetric
from echokit.evaluation.metrics.patient_metric import weighted_mean


class Mae(EstimateMetric):
    """Mean absolute error of the estimate, in the unit of the target; lower is better."""

    metric = "mae"
    larger_is_better = False
    definition = "mean absolute difference between estimate and truth; lower is better"
    power = 1

    def formula(self, target: Labels, prediction: Floats, weights: Weights) -> Floats:
        """Compute the weighted mean absolute error, (B,) float64."""
        return weighted_mean(np.abs(prediction - target), weights)
