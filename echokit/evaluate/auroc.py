"""Area under the ROC curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from echokit.evaluate.ranking import operating_points, rank

if TYPE_CHECKING:
    from echokit.evaluate.evaluation import Evaluation
    from echokit.evaluate.predictions import Predictions


class Auroc:
    """Probability that a random positive patient scores higher than a random negative one; ties count half.

    Undefined when a class is missing. The baseline is 0.5. The curve ``roc`` holds ``fpr, tpr, threshold``,
    highest threshold first; the first threshold is null (above every score).
    """

    stratified: ClassVar[bool] = True
    thresholded: ClassVar[bool] = False

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute the AUROC of one split, one row a patient."""
        from echokit.evaluate.evaluation import Evaluation, Metric

        y, score = predictions.y_true, predictions.y_score
        n, events = len(y), int(y.sum())
        defined = 0 < events < n
        metric = Metric(
            metric="auroc",
            definition=(
                "area under the ROC curve (Mann-Whitney): the probability that a random patient of the "
                f"positive class ({predictions.positive!r}) scores higher than a random patient of the other "
                "class, ties counting half; needs no threshold"
            ),
            value=float(self.statistic(y, score, np.ones((1, n)))[0]) if defined else None,
            n=n,
            events=events,
            baseline=0.5 if defined else None,
            interval=None if defined else f"undefined: only one class among {n} patients",
        )
        return Evaluation((metric,), {"roc": _roc(y, score)} if defined else {})

    def statistic(
        self, y: npt.NDArray[np.int64], score: npt.NDArray[np.float64], weights: npt.NDArray[np.number]
    ) -> npt.NDArray[np.float64]:
        """Weighted AUROC.

        Args:
            y: (n,) int64 of 0 and 1.
            score: (n,) float64.
            weights: (B, n), how often each patient is in each resample.

        Returns:
            (B,) float64, NaN where a class has no weight.
        """
        ranking = rank(y, score, weights)
        # A positive beats the negatives below it, and half of those tied with it.
        lost = 0.5 * np.einsum("bk,bk->b", ranking.hits, ranking.above + ranking.reached)
        pairs = ranking.positives * ranking.negatives
        value = np.full(len(pairs), np.nan)
        np.divide(pairs - lost, pairs, out=value, where=pairs > 0)
        return value


def _roc(y: npt.NDArray[np.int64], score: npt.NDArray[np.float64]) -> dict[str, list[float | None]]:
    threshold, tp, fp = operating_points(y, score)
    return {
        "fpr": [0.0, *(fp / fp[-1]).tolist()],
        "tpr": [0.0, *(tp / tp[-1]).tolist()],
        "threshold": [None, *threshold.tolist()],
    }
