"""Matthews correlation coefficient."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from echokit.evaluate.calls import CallMetric, Counts, Floats, ratio


class Mcc(CallMetric):
    """Correlation between calls and classes (Matthews, 1975), from -1 to 1; 0 is chance.

    Undefined when a class is missing, or everybody is called the same.
    """

    metric: ClassVar[str] = "mcc"
    definition: ClassVar[str] = (
        "Matthews correlation coefficient: (tp tn - fp fn) / sqrt((tp + fp)(tp + fn)(tn + fp)(tn + fn))"
    )
    undefined: ClassVar[str] = "a class is missing, or everybody is called the same"

    def formula(self, counts: Counts) -> Floats:
        """Pearson's correlation of two binary variables."""
        root = np.sqrt(counts.called * counts.events * (counts.n - counts.called) * (counts.n - counts.events))
        return ratio(counts.tp * counts.tn - counts.fp * counts.fn, root)

    def baseline(self, counts: Counts) -> Floats:
        """0 where it is defined."""
        return np.where(np.isnan(self.formula(counts)), np.nan, 0.0)
