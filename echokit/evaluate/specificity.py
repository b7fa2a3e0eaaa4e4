"""Specificity: the share of negative patients that are left alone."""

from __future__ import annotations

from typing import ClassVar

from echokit.evaluate.calls import Counts, Floats, Proportion, ratio


class Specificity(Proportion):
    """Share of the patients of the negative class that are called negative. Undefined without any."""

    metric: ClassVar[str] = "specificity"
    definition: ClassVar[str] = "share of the patients of the negative class that are called negative (specificity)"
    undefined: ClassVar[str] = "no patient of the negative class"
    stratified: ClassVar[bool] = True

    def share(self, counts: Counts) -> tuple[Floats, Floats]:
        """Those called negative, of the negative class."""
        return counts.tn, counts.tn + counts.fp

    def baseline(self, counts: Counts) -> Floats:
        """Share called negative: what calls at random leave alone."""
        return ratio(counts.n - counts.called, counts.n)
