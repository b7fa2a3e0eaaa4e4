"""Brier score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from echokit.evaluation.evaluation import BaselineTest
from echokit.evaluation.evaluator import Floats, Labels, Weights
from echokit.evaluation.metrics.patient_metric import PatientMetric, weighted_mean
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.against_baseline import against_constant


class Brier(PatientMetric):
    """Mean squared error of the probability (Brier 1950); lower is better.

    Undefined if the scores are no probabilities. The baseline is always giving the prevalence.
    """

    name = "brier"
    definition = (
        "mean squared difference between the probability of the positive class ({positive}) and the class (1 or 0), "
        "not summed over both classes; lower is better; the baseline is always giving the prevalence of these patients"
    )
    larger_is_better = False
    two_classes = False
    needs_probability = True

    def baseline(self, y: npt.NDArray[np.int64], score: Floats) -> float:
        """Compute the score of always giving the prevalence."""
        return float(y.mean() * (1 - y.mean()))

    def statistic(self, y: Labels, score: Floats, weights: Weights) -> Floats:
        """Compute the weighted mean of the squared differences, (B,) float64."""
        return weighted_mean((score - y) ** 2, weights)

    def against_baseline(self, predictions: Predictions, *, seed: int) -> Sequence[BaselineTest | None]:
        """Compare the squared differences with those of the prevalence (paired skill)."""
        y, score = predictions.y_true, predictions.y_score
        return (against_constant((score - y) ** 2, (y.mean() - y) ** 2, "squared difference"),)
