"""Accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np

from echokit.evaluation.evaluator import Floats
from echokit.evaluation.metrics.threshold_metric import Proportion
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.call_counts import Counts, confusion_of, ratio


class Accuracy(Proportion):
    """Share of patients classified correctly, (TP + TN) / n.

    The baseline is the share of the larger class: the accuracy of always answering that class. The curve
    ``confusion`` holds ``tn, fp, fn, tp`` and the threshold.
    """

    metric = "accuracy"
    definition = "share of patients classified correctly"
    baseline_is = "always answering the larger class"

    def share(self, counts: Counts) -> tuple[Floats, Floats]:
        """Return TP + TN and n."""
        return counts.tp + counts.tn, counts.n

    def baseline(self, counts: Counts) -> Floats:
        """Return the share of the larger class."""
        return ratio(np.maximum(counts.positives, counts.n - counts.positives), counts.n)

    def curves(self, predictions: Predictions) -> dict[str, Any]:
        """Return the confusion matrix."""
        return {"confusion": confusion_of(predictions)}
