"""Balanced accuracy: the mean of sensitivity and specificity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from echokit.evaluate.calls import CallMetric, Counts, Floats, counts_of, ratio
from echokit.evaluate.evaluation import Interval
from echokit.evaluate.predictions import Predictions
from echokit.evaluate.proportion import wilson


class BalancedAccuracy(CallMetric):
    """Mean of sensitivity and specificity: accuracy as if both classes were equally frequent.

    Undefined when a class is missing. The baseline is 0.5.
    """

    metric: ClassVar[str] = "balanced_accuracy"
    definition: ClassVar[str] = "mean of sensitivity and specificity"
    undefined: ClassVar[str] = "only one class among the patients"

    def formula(self, counts: Counts) -> Floats:
        """Half of each."""
        return 0.5 * (ratio(counts.tp, counts.events) + ratio(counts.tn, counts.n - counts.events))

    def baseline(self, counts: Counts) -> Floats:
        """0.5 where both classes are there."""
        return np.where(np.isnan(self.formula(counts)), np.nan, 0.5)

    def intervals(self, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Add the squares of Wilson's half widths (Newcombe, Statistics in Medicine 1998, method 10).

        The bootstrap covers 78 to 91 % at 7 events; this one knows that 7 of 7 found is not certainty.
        """
        counts = counts_of(predictions)
        tp, events, tn, n = (float(x[0]) for x in (counts.tp, counts.events, counts.tn, counts.n))
        ends = [wilson(tp, events, level), wilson(tn, n - events, level)]
        if any(end.low is None or end.high is None for end in ends):
            return (Interval(None, None, f"undefined: {self.undefined}"),)
        rates = (tp / events, tn / (n - events))
        value = sum(rates) / 2
        low = value - math.hypot(*(rate - float(end.low or 0) for rate, end in zip(rates, ends, strict=True))) / 2
        high = value + math.hypot(*(float(end.high or 0) - rate for rate, end in zip(rates, ends, strict=True))) / 2
        method = "Wilson score intervals of sensitivity and specificity, joined (Newcombe 1998, method 10)"
        return (Interval(low, high, method),)
