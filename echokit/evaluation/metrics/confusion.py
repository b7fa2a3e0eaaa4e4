"""Confusion matrix."""

from __future__ import annotations

from echokit.evaluation.evaluation import Evaluation, Metric
from echokit.evaluation.metrics.threshold_metric import Thresholded
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.call_counts import confusion_of, describe_threshold

_CELLS = {
    "tn": "patients of the negative class classified as negative (true negatives)",
    "fp": "patients of the negative class classified as positive (false positives)",
    "fn": "patients of the positive class classified as negative (false negatives)",
    "tp": "patients of the positive class classified as positive (true positives)",
}


class Confusion(Thresholded):
    """Counts of true and false negatives and positives.

    The baseline of each is its expectation if as many patients are classified as positive at random.
    """

    metric = "confusion"

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Count the four cells of one split, one row a patient."""
        cells = confusion_of(predictions)
        n, positives = len(predictions), int(predictions.y_true.sum())
        metrics = [
            Metric(
                metric=f"{self.metric}_{cell}",
                definition=f"number of {description}; {describe_threshold(predictions)}",
                value=float(cells[cell]),
                n=n,
                events=positives,
                baseline=_expected(cells, cell, n),
                threshold=float(predictions.threshold),
                interval="none: a count, not an estimate",
                unit="patients",
            )
            for cell, description in _CELLS.items()
        ]
        return Evaluation(tuple(metrics), {"confusion": cells})


def _expected(cells: dict[str, float], cell: str, n: int) -> float | None:
    predicted, positives = cells["tp"] + cells["fp"], cells["tp"] + cells["fn"]
    row = positives if cell in ("tp", "fn") else n - positives
    column = predicted if cell in ("tp", "fp") else n - predicted
    return row * column / n if n else None
