"""Matthews correlation coefficient."""

from __future__ import annotations

import numpy as np

from echokit.evaluation.evaluator import Floats
from echokit.evaluation.metrics.threshold_metric import ThresholdMetric
from echokit.evaluation.statistics.call_counts import Counts, ratio


class Mcc(ThresholdMetric):
    """Correlation of predicted and true classes (Matthews 1975); 0 is chance.

    Undefined if a class is missing, or all patients are classified alike.
    """

    metric = "mcc"
    definition = "Matthews correlation coefficient: (tp tn - fp fn) / sqrt((tp + fp)(tp + fn)(tn + fp)(tn + fn))"
    undefined = "a class is missing, or all patients are classified alike"

    def formula(self, counts: Counts) -> Floats:
        """Compute Pearson's correlation of two binary variables."""
        predicted, positives = counts.predicted_positives, counts.positives
        root = np.sqrt(predicted * positives * (counts.n - predicted) * (counts.n - positives))
        return ratio(counts.tp * counts.tn - counts.fp * counts.fn, root)

    def baseline(self, counts: Counts) -> Floats:
        """Return 0, or NaN where the metric is undefined."""
        return np.where(np.isnan(self.formula(counts)), np.nan, 0.0)
