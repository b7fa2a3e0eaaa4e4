"""Negative predictive value."""

from __future__ import annotations

from echokit.evaluation.evaluator import Floats
from echokit.evaluation.metrics.threshold_metric import Proportion
from echokit.evaluation.statistics.call_counts import Counts, ratio


class Npv(Proportion):
    """Negative predictive value, TN / (TN + FN), at the prevalence of these patients."""

    metric = "npv"
    definition = (
        "share of the patients classified as negative that are of the negative class (negative predictive value), at "
        "the prevalence of these patients"
    )
    undefined = "no patient is classified as negative"

    def share(self, counts: Counts) -> tuple[Floats, Floats]:
        """Return TN and TN + FN."""
        return counts.tn, counts.tn + counts.fn

    def baseline(self, counts: Counts) -> Floats:
        """Return the share of the negative class."""
        return ratio(counts.n - counts.positives, counts.n)
