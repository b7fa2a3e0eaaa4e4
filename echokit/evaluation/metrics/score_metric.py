"""Base class of the metrics of scores that need no threshold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from echokit.evaluation.evaluation import Evaluation, Metric
from echokit.evaluation.evaluator import Floats, Labels, Weights
from echokit.evaluation.predictions import Predictions


class ScoreMetric(ABC):
    """A metric of scores, without a threshold.

    `{positive}` in its definition stands for the positive class.
    """

    metric: ClassVar[str]
    definition: ClassVar[str]
    two_classes: ClassVar[bool] = True
    needs_probability: ClassVar[bool] = False
    stratified: ClassVar[bool] = False
    thresholded: ClassVar[bool] = False

    @abstractmethod
    def statistic(self, y: Labels, score: Floats, weights: Weights) -> Floats:
        """Compute the metric for B weightings; see ``Resampled``."""

    @abstractmethod
    def baseline(self, y: npt.NDArray[np.int64], score: Floats) -> float:
        """Compute what a model without any information scores on these patients."""

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute the metric of one split, one row a patient."""
        y, score = predictions.y_true, predictions.y_score
        reason = self.undefined(predictions)
        metric = Metric(
            metric=self.metric,
            definition=self.describe(predictions),
            value=None if reason else float(self.statistic(y, score, np.ones((1, len(y))))[0]),
            n=len(y),
            events=int(y.sum()),
            baseline=None if reason else self.baseline(y, score),
            interval=f"undefined: {reason}" if reason else None,
        )
        return Evaluation((metric,), {} if reason else self.curves(predictions))

    def describe(self, predictions: Predictions) -> str:
        """Return the definition for these predictions."""
        return self.definition.format(positive=repr(predictions.positive))

    def undefined(self, predictions: Predictions) -> str | None:
        """Return why the metric is undefined, or None if it is defined."""
        n, positives = len(predictions), int(predictions.y_true.sum())
        if not n:
            return "no patients"
        if self.two_classes and positives in (0, n):
            return f"only one class among {n} patients"
        if self.needs_probability and not predictions.probability:
            return "the scores are no probabilities"
        if self.needs_probability and ((predictions.y_score < 0) | (predictions.y_score > 1)).any():
            return "some scores lie outside 0 to 1, so they are no probabilities"
        return None

    def curves(self, predictions: Predictions) -> dict[str, Any]:
        """Return curves by name; none by default."""
        return {}


def weighted_mean(values: Floats, weights: Weights) -> Floats:
    """Average (n,) values with (B, n) weights; NaN where weights sum to 0."""
    total = weights.sum(axis=1, dtype=np.float64)
    mean = np.full(len(total), np.nan)
    np.divide(weights @ values, total, out=mean, where=total > 0)
    return mean
