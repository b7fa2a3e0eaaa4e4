"""F1: the harmonic mean of precision and recall."""

from __future__ import annotations

from typing import ClassVar

from echokit.evaluate.calls import CallMetric, Counts, Floats, ratio


class F1(CallMetric):
    """Harmonic mean of precision and recall of the positive class alone: 2 tp / (2 tp + fp + fn).

    It ignores the true negatives and moves with the prevalence. Undefined when nobody is positive and nobody is
    called so.
    """

    metric: ClassVar[str] = "f1"
    definition: ClassVar[str] = (
        "harmonic mean of precision and recall, 2 tp / (2 tp + fp + fn), of the positive class only; no average "
        "over both classes"
    )
    undefined: ClassVar[str] = "nobody is of the positive class or called so"

    def formula(self, counts: Counts) -> Floats:
        """2 tp / (2 tp + fp + fn)."""
        return ratio(2 * counts.tp, counts.called + counts.events)

    def baseline(self, counts: Counts) -> Floats:
        """Exact expectation when as many patients are called at random."""
        return ratio(2 * counts.called * ratio(counts.events, counts.n), counts.called + counts.events)
