"""Log loss: the mean surprise of a probability."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from echokit.evaluate.predictions import Predictions
from echokit.evaluate.scores import Floats, ScoreMetric, weighted_mean

EDGE = 1e-7  # about the step of a float32 below 1: what a saturated network can not tell from certainty


class LogLoss(ScoreMetric):
    """Mean of -log of the probability that was given to what happened; lower is better.

    Probabilities are held 1e-7 away from 0 and 1, where the loss would be infinite; the definition counts how many
    were. Undefined where the scores are no probabilities. The baseline is always giving the prevalence.
    """

    metric: ClassVar[str] = "log_loss"
    definition: ClassVar[str] = (
        "mean of -log(probability given to the true class), natural logarithm, positive class {positive}; lower is "
        "better; the baseline is always giving the prevalence of these patients"
    )
    two_classes: ClassVar[bool] = False
    needs_probability: ClassVar[bool] = True

    def words(self, predictions: Predictions) -> str:
        """Count what was held away from 0 and 1."""
        return super().words(predictions) + edge_words(predictions.y_score)

    def baseline(self, y: npt.NDArray[np.int64]) -> float:
        """Entropy of the prevalence."""
        return float(self.statistic(y, np.full(len(y), y.mean()), np.ones((1, len(y))))[0])

    def statistic(self, y: npt.NDArray[Any], score: Floats, weights: npt.NDArray[np.number]) -> Floats:
        """Weighted mean of the losses: (B,) float64."""
        p = off_the_edge(score)
        return weighted_mean(-np.where(y == 1, np.log(p), np.log1p(-p)), weights)


def off_the_edge(score: Floats) -> Floats:
    """Hold probabilities ``EDGE`` away from 0 and 1."""
    return np.clip(score, EDGE, 1 - EDGE)


def edge_words(score: Floats) -> str:
    """Say how many probabilities were held away from 0 and 1; empty for none."""
    held = int(((score < EDGE) | (score > 1 - EDGE)).sum())
    return f"; {held} of {len(score)} probabilities were held {EDGE:g} away from 0 and 1" if held else ""
