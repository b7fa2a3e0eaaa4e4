"""F1 score."""

from __future__ import annotations

from echokit.evaluation.evaluator import Floats
from echokit.evaluation.metrics.threshold_metric import ThresholdMetric
from echokit.evaluation.statistics.call_counts import Counts, ratio


class F1(ThresholdMetric):
    """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN).

    It ignores the true negatives and depends on the prevalence. Undefined if no patient is of the positive class or
    classified as positive.
    """

    metric = "f1"
    definition = (
        "harmonic mean of precision and recall, 2 tp / (2 tp + fp + fn), of the positive class only; no average "
        "over both classes"
    )
    undefined = "no patient is of the positive class or classified as positive"

    def formula(self, counts: Counts) -> Floats:
        """Compute 2 TP / (2 TP + FP + FN)."""
        return ratio(2 * counts.tp, counts.predicted_positives + counts.positives)

    def baseline(self, counts: Counts) -> Floats:
        """Compute the exact expectation of calling as many patients at random."""
        predicted, positives = counts.predicted_positives, counts.positives
        return ratio(2 * predicted * ratio(positives, counts.n), predicted + positives)
