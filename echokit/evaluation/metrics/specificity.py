"""Specificity, the true-negative rate."""

from __future__ import annotations

from echokit.evaluation.evaluator import Floats
from echokit.evaluation.metrics.threshold_metric import Proportion
from echokit.evaluation.statistics.call_counts import Counts, ratio


class Specificity(Proportion):
    """True-negative rate, TN / (TN + FP).

    Undefined without a patient of the negative class.
    """

    metric = "specificity"
    definition = "share of the patients of the negative class that are classified as negative (specificity)"
    undefined = "no patient of the negative class"
    stratified = True

    def share(self, counts: Counts) -> tuple[Floats, Floats]:
        """Return TN and TN + FP."""
        return counts.tn, counts.tn + counts.fp

    def baseline(self, counts: Counts) -> Floats:
        """Return the share classified as negative."""
        return ratio(counts.n - counts.predicted_positives, counts.n)
