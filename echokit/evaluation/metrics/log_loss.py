"""Log loss (binary cross-entropy)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from echokit.evaluation.evaluation import BaselineTest
from echokit.evaluation.evaluator import Floats, Labels, Weights
from echokit.evaluation.metrics.patient_metric import PatientMetric, weighted_mean
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.against_baseline import against_constant

EDGE = 1e-7  # about the step of a float32 below 1: a saturated network cannot tell it from certainty


class LogLoss(PatientMetric):
    """Cross-entropy of the predicted probabilities; lower is better.

    Probabilities are clipped to 1e-7 and 1 - 1e-7, as the loss is infinite at 0 and 1; the definition counts how many
    were. Undefined if the scores are no probabilities. The baseline is always giving the prevalence.
    """

    name = "log_loss"
    definition = (
        "mean of -log(probability given to the true class), natural logarithm, positive class {positive}; lower is "
        "better; the baseline is always giving the prevalence of these patients"
    )
    larger_is_better = False
    two_classes = False
    needs_probability = True

    def describe(self, predictions: Predictions) -> str:
        """Add the number of clipped probabilities to the definition."""
        return super().describe(predictions) + describe_clipping(predictions.y_score)

    def baseline(self, y: npt.NDArray[np.int64], score: Floats) -> float:
        """Compute the entropy of the prevalence."""
        return float(self.statistic(y, np.full(len(y), y.mean()), np.ones((1, len(y))))[0])

    def statistic(self, y: Labels, score: Floats, weights: Weights) -> Floats:
        """Compute the weighted mean of the losses, (B,) float64."""
        return weighted_mean(_losses(y, score), weights)

    def against_baseline(self, predictions: Predictions, *, seed: int) -> Sequence[BaselineTest | None]:
        """Compare the losses with those of the prevalence."""
        y = predictions.y_true
        prevalence = np.full(len(y), y.mean())
        return (against_constant(_losses(y, predictions.y_score), _losses(y, prevalence), "log loss"),)


def _losses(y: Labels, score: Floats) -> Floats:
    p = clip_probabilities(score)
    return np.asarray(-np.where(y == 1, np.log(p), np.log1p(-p)), np.float64)


def clip_probabilities(score: Floats) -> Floats:
    """Clip probabilities to at least ``EDGE`` from 0 and 1."""
    return np.clip(score, EDGE, 1 - EDGE)


def describe_clipping(score: Floats) -> str:
    """Describe how many probabilities were clipped; empty for none."""
    clipped = int(((score < EDGE) | (score > 1 - EDGE)).sum())
    return f"; {clipped} of {len(score)} probabilities were clipped to {EDGE:g} and 1 - {EDGE:g}" if clipped else ""
