"""The base class of a metric of patients: it does what all of them have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from echokit.evaluation.evaluation import Evaluation, Metric
from echokit.evaluation.evaluator import Floats, Labels, Weights
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.call_counts import describe_threshold, first_value


class PatientMetric(ABC):
    """A metric of the patients' classes and scores: one number.

    A subclass gives ``name``, ``definition``, ``baseline`` and ``statistic``. Value, counts, bootstrap interval, the
    reason where it is undefined, and the rows over folds follow. It can select the epoch: ``train.keep: val_NAME``.

    Attributes:
        name: Of the metric, in ``metrics.json``. A metric with parameters may set it in ``__init__``.
        definition: What the number means; ``{positive}`` stands for the name of the positive class.
        larger_is_better: Whether a model with a larger value is better; True unless you set it. A metric that selects
            the epoch selects by it; of equal epochs the earliest.
        two_classes: Whether it is undefined for patients of one class; True unless you set it.
        needs_probability: Whether it is undefined for scores that are no probabilities; False unless you set it.
        stratified: Whether the resamples of the bootstrap keep the number of patients of each class. Right for a
            metric that does not depend on the prevalence; for others it makes the interval too narrow. False unless
            you set it.
        thresholded: Whether ``statistic`` and ``baseline`` get predicted classes (0.0 and 1.0) in place of scores;
            False unless you set it.
        unit: Empty for a pure number.
    """

    name: str
    definition: str
    larger_is_better: bool = True
    two_classes: ClassVar[bool] = True
    needs_probability: ClassVar[bool] = False
    stratified: ClassVar[bool] = False
    thresholded: ClassVar[bool] = False
    unit: ClassVar[str] = ""

    @abstractmethod
    def statistic(self, y: Labels, score: Floats, weights: Weights) -> Floats:
        """Compute the metric for B weightings of the same patients at once.

        Args:
            y: (n,) int64 of 0 and 1.
            score: (n,) float64; patients of equal class and score may be one row with their joint weight.
            weights: (B, n), how often each patient counts; all 1 for the metric itself.

        Returns:
            (B,) float64, NaN where the metric is undefined.
        """

    @abstractmethod
    def baseline(self, y: npt.NDArray[np.int64], score: Floats) -> float | None:
        """Compute what a model without any information gets on these patients.

        None if no such number exists.
        """

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute the metric of one split, one row a patient."""
        y, score, threshold = predictions.y_true, predictions.y_score, None
        if self.thresholded:
            threshold = float(predictions.threshold)
            score = (score >= threshold).astype(np.float64)
        reason, value, baseline = self.undefined(predictions), None, None
        if reason is None:
            value = first_value(self.statistic(y, score, np.ones((1, len(y)))))
            baseline = self.baseline(y, score)
            baseline = None if baseline is None or np.isnan(baseline) else float(baseline)
            reason = "the metric does not exist for these patients" if value is None else None
        metric = Metric(
            metric=self.name,
            definition=self.describe(predictions),
            value=value,
            n=len(y),
            events=int(y.sum()),
            baseline=baseline,
            threshold=threshold,
            interval=f"undefined: {reason}" if reason else None,
            unit=self.unit,
        )
        return Evaluation((metric,), {} if reason else self.curves(predictions))

    def describe(self, predictions: Predictions) -> str:
        """Return the definition for these predictions."""
        text = self.definition.replace("{positive}", repr(predictions.positive))
        return f"{text}; {describe_threshold(predictions)}" if self.thresholded else text

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
