"""Accuracy at the threshold that was fixed in advance."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from echokit.evaluate.evaluation import Evaluation
    from echokit.evaluate.predictions import Predictions


class Accuracy:
    """Share of patients on the right side of the threshold.

    The baseline is the share of the larger class: what always answering that class scores. The curve
    ``confusion`` holds ``tn, fp, fn, tp`` and the threshold.
    """

    stratified: ClassVar[bool] = False
    thresholded: ClassVar[bool] = True

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute the accuracy of one split, one row a patient."""
        from echokit.evaluate.evaluation import Evaluation, Metric

        y, called = predictions.y_true, predictions.y_score >= predictions.threshold
        n, events = len(y), int(y.sum())
        tp, fp = int(called[y == 1].sum()), int(called[y == 0].sum())
        tn, threshold = n - events - fp, float(predictions.threshold)
        metric = Metric(
            metric="accuracy",
            definition=(
                "share of patients classified correctly; a patient is called "
                f"{predictions.positive!r} (the positive class) when the mean score is {threshold:g} or "
                "higher; the threshold was fixed before the test data was seen; "
                "the baseline is always answering the larger class"
            ),
            value=(tp + tn) / n if n else None,
            n=n,
            events=events,
            baseline=max(events, n - events) / n if n else None,
            threshold=threshold,
            interval=None if n else "undefined: no patients",
        )
        confusion = {"tn": tn, "fp": fp, "fn": events - tp, "tp": tp, "threshold": threshold}
        return Evaluation((metric,), {"confusion": confusion})

    def statistic(
        self, y: npt.NDArray[np.int64], score: npt.NDArray[np.float64], weights: npt.NDArray[np.number]
    ) -> npt.NDArray[np.float64]:
        """Weighted accuracy of calls.

        Args:
            y: (n,) int64 of 0 and 1.
            score: (n,) float64 of 0.0 and 1.0: the calls at the threshold, not the scores themselves.
            weights: (B, n), how often each patient is in each resample.

        Returns:
            (B,) float64, NaN where the weights of a row sum to 0.

        Raises:
            ValueError: ``score`` holds anything but 0 and 1.
        """
        if not np.isin(score, (0, 1)).all():
            raise ValueError("accuracy needs calls (0 or 1), not scores: apply the threshold first")
        right, total = weights @ (y == score).astype(np.float64), weights.sum(axis=1, dtype=np.float64)
        value = np.full(len(total), np.nan)
        np.divide(right, total, out=value, where=total > 0)
        return value
