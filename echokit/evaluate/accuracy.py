"""Accuracy: the share of patients called right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from echokit.evaluate.calls import Counts, Floats, Proportion, confusion_of, ratio

if TYPE_CHECKING:
    from echokit.evaluate.predictions import Predictions


class Accuracy(Proportion):
    """Share of patients on the right side of the threshold.

    The baseline is the share of the larger class: what always answering that class scores. The curve
    ``confusion`` holds ``tn, fp, fn, tp`` and the threshold.
    """

    metric: ClassVar[str] = "accuracy"
    definition: ClassVar[str] = "share of patients classified correctly"
    baseline_is: ClassVar[str] = "always answering the larger class"

    def share(self, counts: Counts) -> tuple[Floats, Floats]:
        """Those called right, of all."""
        return counts.tp + counts.tn, counts.n

    def baseline(self, counts: Counts) -> Floats:
        """Share of the larger class."""
        return ratio(np.maximum(counts.events, counts.n - counts.events), counts.n)

    def curves(self, predictions: Predictions) -> dict[str, Any]:
        """The confusion matrix, where there is anybody."""
        return {"confusion": confusion_of(predictions)}
