"""Base classes of the metrics that follow from TN, FP, FN and TP at a threshold."""

from __future__ import annotations

import statistics
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from echokit.evaluation.cross_validation import PooledProportion, pooled_proportion
from echokit.evaluation.evaluation import BaselineTest, Evaluation, Interval, Metric
from echokit.evaluation.evaluator import Floats, Labels, Weights
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.against_baseline import against_random_classes
from echokit.evaluation.statistics.call_counts import (
    Counts,
    count_outcomes,
    counts_of,
    describe_threshold,
    first_value,
    ratio,
)
from echokit.evaluation.statistics.wilson import wilson
from echokit.evaluation.threshold import Threshold


class Thresholded:
    """An evaluator with a threshold.

    Args:
        threshold: Score at and above which a patient is classified as positive; or a rule that chooses it on the
            validation set, never on the test set: `youden`, `sensitivity_at_0.90`, `specificity_at_0.90`, or
            `{use: NAME, ...}`. By default the threshold of the predictions, which is 0.5.
    """

    def __init__(self, *, threshold: Threshold | None = None) -> None:
        self.threshold_rule = threshold


class ThresholdMetric(Thresholded, ABC):
    """A metric that follows from the counts TN, FP, FN and TP."""

    metric: ClassVar[str]
    definition: ClassVar[str]
    larger_is_better: ClassVar[bool] = True
    undefined: ClassVar[str] = "no patients"
    baseline_is: ClassVar[str] = "classifying as many patients as positive at random"
    stratified: ClassVar[bool] = False
    thresholded: ClassVar[bool] = True

    @abstractmethod
    def formula(self, counts: Counts) -> Floats:
        """Compute the metric from counts: (B,) float64, NaN where it is undefined."""

    @abstractmethod
    def baseline(self, counts: Counts) -> Floats:
        """Compute the score of ``baseline_is``: (B,) float64, NaN if undefined."""

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute the metric of one split, one row a patient."""
        counts = counts_of(predictions)
        value = first_value(self.formula(counts))
        reason = self.undefined if len(predictions) else "no patients"
        metric = Metric(
            metric=self.metric,
            definition=f"{self.definition}; {describe_threshold(predictions)}; the baseline is {self.baseline_is}",
            value=value,
            n=len(predictions),
            events=int(predictions.y_true.sum()),
            baseline=first_value(self.baseline(counts)),
            threshold=float(predictions.threshold),
            interval=f"undefined: {reason}" if value is None else None,
        )
        return Evaluation((metric,), self.curves(predictions))

    def against_baseline(self, predictions: Predictions, *, seed: int) -> Sequence[BaselineTest | None]:
        """Compare with as many patients classified as positive at random."""
        return (against_random_classes(counts_of(predictions)),)

    def curves(self, predictions: Predictions) -> dict[str, Any]:
        """Return curves by name; none by default."""
        return {}

    def statistic(self, y: Labels, score: Floats, weights: Weights) -> Floats:
        """Compute the metric for B weightings.

        Args:
            y: (n,) int64 of 0 and 1.
            score: (n,) float64 of 0.0 and 1.0: the predicted classes, not the scores themselves.
            weights: (B, n), how often each patient is in each resample.

        Returns:
            (B,) float64, NaN where the metric is undefined.

        Raises:
            ValueError: ``score`` holds anything but 0 and 1.
        """
        return self.formula(count_outcomes(y, score, weights))


class Proportion(ThresholdMetric):
    """A metric that is a proportion of patients, with Wilson's interval."""

    @abstractmethod
    def share(self, counts: Counts) -> tuple[Floats, Floats]:
        """Return numerator and denominator of the proportion, each (B,) float64."""

    def formula(self, counts: Counts) -> Floats:
        """Divide the numerator by the denominator."""
        return ratio(*self.share(counts))

    def intervals(self, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Compute Wilson's interval."""
        successes, trials = self.share(counts_of(predictions))
        return (wilson(float(successes[0]), float(trials[0]), level),)

    def across_folds(self, folds: Sequence[Predictions], *, level: float) -> Sequence[Metric]:
        """Pool all test patients, each called at the threshold of its fold."""
        pooled = pooled_proportion(self.share, folds, level=level)
        if pooled is None:
            return []
        baselines = [value for counts in pooled.counts if (value := first_value(self.baseline(counts))) is not None]
        metric = Metric(
            metric=f"{self.metric}_pooled",
            definition=(
                f"{self.definition}, {pooled.description}; positive class {folds[0].positive!r}; the baseline is "
                f"{self.baseline_is}"
            ),
            value=pooled.value,
            n=int(pooled.counts[0].n[0]),
            events=int(pooled.counts[0].positives[0]),
            baseline=statistics.fmean(baselines) if pooled.value is not None and baselines else None,
            threshold=pooled.threshold,
            low=pooled.interval.low,
            high=pooled.interval.high,
            level=level if pooled.interval.low is not None else None,
            interval=f"undefined: {self.undefined}" if pooled.value is None else pooled.interval.method,
        )
        test = self.pooled_against_baseline(pooled)
        return [metric if test is None else replace(metric, p=test.p, p_method=test.method)]

    def pooled_against_baseline(self, pooled: PooledProportion) -> BaselineTest | None:
        """Compare a proportion over all folds with its baseline; None by default."""
        return None
