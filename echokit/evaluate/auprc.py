"""Area under the precision-recall curve, as average precision of the positive class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from echokit.evaluate.ranking import operating_points, rank

if TYPE_CHECKING:
    from echokit.evaluate.evaluation import Evaluation
    from echokit.evaluate.predictions import Predictions


class Auprc:
    """Average precision of the positive class.

    The step-wise sum over thresholds of (R_k - R_{k-1}) P_k, tied scores taken together. Not the trapezoid
    area, which is optimistic (Davis and Goadrich, 2006), and not the average over both classes. Undefined
    when a class is missing. The baseline is the expected average precision of a random ranking, which lies
    above the prevalence in small cohorts. The curve ``pr`` holds ``recall, precision, threshold``, highest
    threshold first.
    """

    stratified: ClassVar[bool] = False
    thresholded: ClassVar[bool] = False

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute the average precision of one split, one row a patient."""
        from echokit.evaluate.evaluation import Evaluation, Metric

        y, score = predictions.y_true, predictions.y_score
        n, events = len(y), int(y.sum())
        defined = 0 < events < n
        metric = Metric(
            metric="auprc",
            definition=(
                f"average precision of the positive class ({predictions.positive!r}) only: the step-wise sum "
                "over thresholds of (R_k - R_{k-1}) P_k with recall R and precision P, tied scores taken "
                "together; not the trapezoid area and not a macro average over both classes; the baseline is "
                "the expected average precision of a random ranking of these patients"
            ),
            value=float(self.statistic(y, score, np.ones((1, n)))[0]) if defined else None,
            n=n,
            events=events,
            baseline=chance_average_precision(events, n) if defined else None,
            interval=None if defined else f"undefined: only one class among {n} patients",
        )
        return Evaluation((metric,), {"pr": _pr(y, score)} if defined else {})

    def statistic(
        self, y: npt.NDArray[np.int64], score: npt.NDArray[np.float64], weights: npt.NDArray[np.number]
    ) -> npt.NDArray[np.float64]:
        """Weighted average precision.

        Args:
            y: (n,) int64 of 0 and 1.
            score: (n,) float64.
            weights: (B, n), how often each patient is in each resample.

        Returns:
            (B,) float64, NaN where a class has no weight.
        """
        ranking = rank(y, score, weights)
        # Recall only rises at scores of positives, so the sum over all thresholds has no other terms.
        found = np.cumsum(ranking.hits, axis=1)
        called = found + ranking.reached
        # Nobody called means nobody found: the term is 0, and 0 / 1 gives that.
        precision = np.divide(found, np.maximum(called, np.finfo(np.float64).tiny), out=called)
        total = np.einsum("bk,bk->b", ranking.hits, precision)
        defined = (ranking.positives > 0) & (ranking.negatives > 0)
        value = np.full(len(total), np.nan)
        np.divide(total, ranking.positives, out=value, where=defined)
        return value


def chance_average_precision(events: int, n: int) -> float:
    """Expected average precision of a random ranking without ties of n patients, ``events`` of them positive.

    At rank i the i-th patient is positive with probability events/n; given that, the i - 1 before it hold on
    average (i - 1)(events - 1)/(n - 1) more. Exact; it nears the prevalence only from about 600 patients.

    Args:
        events: Patients of the positive class, at least 1.
        n: Patients, at least ``events``.

    Raises:
        ValueError: ``events`` is not between 1 and n.
    """
    if not 1 <= events <= n:
        raise ValueError(f"average precision needs 1 to n = {n} events, not {events}")
    ranks = np.arange(1, n + 1, dtype=np.float64)
    found = 1 + (ranks - 1) * (events - 1) / max(n - 1, 1)
    return float(np.mean(found / ranks))


def _pr(y: npt.NDArray[np.int64], score: npt.NDArray[np.float64]) -> dict[str, list[float]]:
    threshold, tp, fp = operating_points(y, score)
    return {
        "recall": (tp / tp[-1]).tolist(),
        "precision": (tp / (tp + fp)).tolist(),
        "threshold": threshold.tolist(),
    }
