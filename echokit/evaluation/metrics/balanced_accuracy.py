"""Balanced accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from echokit.evaluation.evaluation import Interval
from echokit.evaluation.evaluator import Floats
from echokit.evaluation.metrics.threshold_metric import ThresholdMetric
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.call_counts import Counts, counts_of, ratio
from echokit.evaluation.statistics.wilson import wilson


class BalancedAccuracy(ThresholdMetric):
    """Mean of sensitivity and specificity.

    Undefined if a class is missing. The baseline is 0.5.
    """

    metric = "balanced_accuracy"
    definition = "mean of sensitivity and specificity"
    undefined = "only one class among the patients"

    def formula(self, counts: Counts) -> Floats:
        """Compute (TP / (TP + FN) + TN / (TN + FP)) / 2."""
        return 0.5 * (ratio(counts.tp, counts.positives) + ratio(counts.tn, counts.n - counts.positives))

    def baseline(self, counts: Counts) -> Floats:
        """Return 0.5, or NaN where a class is missing."""
        return np.where(np.isnan(self.formula(counts)), np.nan, 0.5)

    def intervals(self, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Add squared half widths of Wilson intervals (Newcombe 1998, method 10).

        The bootstrap covers only 78 to 91 % at 7 positives, and has no width if all of them are found.
        """
        counts = counts_of(predictions)
        tp, positives, tn, n = (float(x[0]) for x in (counts.tp, counts.positives, counts.tn, counts.n))
        ends = [wilson(tp, positives, level), wilson(tn, n - positives, level)]
        if any(end.low is None or end.high is None for end in ends):
            return (Interval(None, None, f"undefined: {self.undefined}"),)
        rates = (tp / positives, tn / (n - positives))
        value = sum(rates) / 2
        low = value - math.hypot(*(rate - float(end.low or 0) for rate, end in zip(rates, ends, strict=True))) / 2
        high = value + math.hypot(*(float(end.high or 0) - rate for rate, end in zip(rates, ends, strict=True))) / 2
        method = "Wilson score intervals of sensitivity and specificity, combined (Newcombe 1998, method 10)"
        return (Interval(low, high, method),)
