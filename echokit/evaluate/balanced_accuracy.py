"""Balanced accuracy: the mean of sensitivity and specificity."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from echokit.evaluate.calls import CallMetric, Counts, Floats, ratio


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
