"""Positive predictive value: how often a positive call is right."""

from __future__ import annotations

from typing import ClassVar

from echokit.evaluate.calls import Counts, Floats, Proportion, ratio


class Ppv(Proportion):
    """Share of the patients called positive that are (precision). Holds at the prevalence of these patients only."""

    metric: ClassVar[str] = "ppv"
    definition: ClassVar[str] = (
        "share of the patients called positive that are of the positive class (positive predictive value, precision), "
        "at the prevalence of these patients"
    )
    undefined: ClassVar[str] = "nobody is called positive"
    stratified: ClassVar[bool] = False

    def share(self, counts: Counts) -> tuple[Floats, Floats]:
        """Those right, of those called positive."""
        return counts.tp, counts.called

    def baseline(self, counts: Counts) -> Floats:
        """The prevalence."""
        return ratio(counts.events, counts.n)
