"""The confusion matrix as four counts."""

from __future__ import annotations

from typing import ClassVar

from echokit.evaluate.calls import Called, call_words, confusion_of
from echokit.evaluate.evaluation import Evaluation, Metric
from echokit.evaluate.predictions import Predictions

_CELLS = {
    "tn": "patients of the negative class called negative (true negatives)",
    "fp": "patients of the negative class called positive (false positives)",
    "fn": "patients of the positive class called negative (false negatives, missed)",
    "tp": "patients of the positive class called positive (true positives)",
}


class Confusion(Called):
    """Four counts: ``confusion_tn``, ``confusion_fp``, ``confusion_fn`` and ``confusion_tp``.

    The baseline of each is its expectation when as many patients are called positive at random.
    """

    metric: ClassVar[str] = "confusion"

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Count the calls of one split, one row a patient."""
        cells = confusion_of(predictions)
        n, events = len(predictions), int(predictions.y_true.sum())
        metrics = [
            Metric(
                metric=f"{self.metric}_{cell}",
                definition=f"number of {words}; {call_words(predictions)}",
                value=float(cells[cell]),
                n=n,
                events=events,
                baseline=_expected(cells, cell, n),
                threshold=float(predictions.threshold),
                interval="none: a count, not an estimate",
                unit="patients",
            )
            for cell, words in _CELLS.items()
        ]
        return Evaluation(tuple(metrics), {"confusion": cells})


def _expected(cells: dict[str, float], cell: str, n: int) -> float | None:
    called, events = cells["tp"] + cells["fp"], cells["tp"] + cells["fn"]
    row = events if cell in ("tp", "fn") else n - events
    column = called if cell in ("tp", "fp") else n - called
    return row * column / n if n else None
