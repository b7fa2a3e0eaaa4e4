"""Sensitivity, the true-positive rate."""

from __future__ import annotations

from echokit.evaluation.evaluator import Floats
from echokit.evaluation.metrics.threshold_metric import Proportion
from echokit.evaluation.statistics.call_counts import Counts, ratio


class Sensitivity(Proportion):
    """True-positive rate (recall), TP / (TP + FN).

    Undefined without a patient of the positive class.
    """

    metric = "sensitivity"
    definition = "share of the patients of the positive class that are classified as positive (sensitivity, recall)"
    undefined = "no patient of the positive class"
    stratified = True

    def share(self, counts: Counts) -> tuple[Floats, Floats]:
        """Return TP and TP + FN."""
        return counts.tp, counts.positives

    def baseline(self, counts: Counts) -> Floats:
        """Return the share classified as positive."""
        return ratio(counts.predicted_positives, counts.n)
