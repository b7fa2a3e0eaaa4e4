"""Accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from echokit.evaluation.cross_validation import WIDENING, PooledProportion
from echokit.evaluation.evaluation import BaselineTest
from echokit.evaluation.evaluator import Floats
from echokit.evaluation.metrics.threshold_metric import Proportion
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.against_baseline import against_larger_class
from echokit.evaluation.statistics.call_counts import Counts, confusion_of, counts_of, ratio


class Accuracy(Proportion):
    """Share of patients classified correctly, (TP + TN) / n.

    The baseline is the share of the larger class: the accuracy of always answering that class; McNemar's
    test compares both on the same patients. The curve ``confusion`` holds ``tn, fp, fn, tp`` and the threshold.
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

    def against_baseline(self, predictions: Predictions, *, seed: int) -> Sequence[BaselineTest | None]:
        """Compare with always answering the larger class (exact McNemar)."""
        return (against_larger_class([counts_of(predictions)]),)

    def pooled_against_baseline(self, pooled: PooledProportion) -> BaselineTest | None:
        """Compare over all folds, with the patients discounted as in the interval."""
        return against_larger_class(pooled.counts, discount=WIDENING**2) if pooled.value is not None else None

    def curves(self, predictions: Predictions) -> dict[str, Any]:
        """Return the confusion matrix."""
        return {"confusion": confusion_of(predictions)}
