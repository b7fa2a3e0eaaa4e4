"""Positive predictive value."""

from __future__ import annotations

from echokit.evaluation.evaluator import Floats
from echokit.evaluation.metrics.threshold_metric import Proportion
from echokit.evaluation.statistics.call_counts import Counts, ratio


class Ppv(Proportion):
    """Positive predictive value (precision), TP / (TP + FP)."""

    metric = "ppv"
    definition = (
        "share of the patients classified as positive that are of the positive class (positive predictive value, "
        "precision), at the prevalence of these patients"
    )
    undefined = "no patient is classified as positive"

    def share(self, counts: Counts) -> tuple[Floats, Floats]:
        """Return TP and TP + FP."""
        return counts.tp, counts.predicted_positives

    def baseline(self, counts: Counts) -> Floats:
        """Return the prevalence."""
        return ratio(counts.positives, counts.n)
