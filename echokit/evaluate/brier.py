"""Brier score: the mean squared error of a probability."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from echokit.evaluate.scores import Floats, ScoreMetric, weighted_mean


class Brier(ScoreMetric):
    """Mean squared distance of the probability from what happened (Brier, 1950); lower is better.

    Undefined where the scores are no probabilities. The baseline is always giving the prevalence.
    """

    metric: ClassVar[str] = "brier"
    definition: ClassVar[str] = (
        "mean squared difference between the probability of the positive class ({positive}) and the class (1 or 0), "
        "not summed over both classes; lower is better; the baseline is always giving the prevalence of these patients"
    )
    two_classes: ClassVar[bool] = False
    needs_probability: ClassVar[bool] = True

    def baseline(self, y: npt.NDArray[np.int64]) -> float:
        """Always giving the prevalence."""
        return float(y.mean() * (1 - y.mean()))

    def statistic(self, y: npt.NDArray[Any], score: Floats, weights: npt.NDArray[np.number]) -> Floats:
        """Weighted mean of the squared differences: (B,) float64."""
        return weighted_mean((score - y) ** 2, weights)
