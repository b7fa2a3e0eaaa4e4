"""Sensitivity: the share of positive patients that are found."""

from __future__ import annotations

from typing import ClassVar

from echokit.evaluate.calls import Counts, Floats, Proportion, ratio


class Sensitivity(Proportion):
    """Share of the patients of the positive class that are called positive (recall). Undefined without any."""

    metric: ClassVar[str] = "sensitivity"
    definition: ClassVar[str] = (
        "share of the patients of the positive class that are called positive (sensitivity, recall)"
    )
    undefined: ClassVar[str] = "no patient of the positive class"
    stratified: ClassVar[bool] = True

    def share(self, counts: Counts) -> tuple[Floats, Floats]:
        """Those found, of the positive class."""
        return counts.tp, counts.events

    def baseline(self, counts: Counts) -> Floats:
        """Share called positive: what calls at random find."""
        return ratio(counts.called, counts.n)
