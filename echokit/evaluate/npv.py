"""Negative predictive value: how often a negative call is right."""

from __future__ import annotations

from typing import ClassVar

from echokit.evaluate.calls import Counts, Floats, Proportion, ratio


class Npv(Proportion):
    """Share of the patients called negative that are. Holds at the prevalence of these patients only."""

    metric: ClassVar[str] = "npv"
    definition: ClassVar[str] = (
        "share of the patients called negative that are of the negative class (negative predictive value), at the "
        "prevalence of these patients"
    )
    undefined: ClassVar[str] = "nobody is called negative"
    stratified: ClassVar[bool] = False

    def share(self, counts: Counts) -> tuple[Floats, Floats]:
        """Those right, of those called negative."""
        return counts.tn, counts.tn + counts.fn

    def baseline(self, counts: Counts) -> Floats:
        """One less the prevalence."""
        return ratio(counts.n - counts.events, counts.n)
