"""Counts of true and false positives and negatives at a threshold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from echokit.errors import EchokitError
from echokit.evaluation.evaluator import Floats, Labels, Weights
from echokit.evaluation.predictions import Predictions


@dataclass(frozen=True, slots=True)
class Counts:
    """Patients by true and predicted class, each (B,) float64: one entry a weighting."""

    tn: Floats
    fp: Floats
    fn: Floats
    tp: Floats

    @property
    def n(self) -> Floats:
        """All patients."""
        return self.tn + self.fp + self.fn + self.tp

    @property
    def positives(self) -> Floats:
        """Patients of the positive class, TP + FN."""
        return self.fn + self.tp

    @property
    def predicted_positives(self) -> Floats:
        """Patients classified as positive, TP + FP."""
        return self.fp + self.tp


def count_outcomes(y: Labels, predicted: Labels, weights: Weights) -> Counts:
    """Count TN, FP, FN and TP for B weightings.

    Args:
        y: (n,) of 0 and 1.
        predicted: (n,) of 0 and 1, or bool.
        weights: (B, n).

    Raises:
        ValueError: ``predicted`` holds anything but 0 and 1: the threshold was not applied.
    """
    if not np.isin(predicted, (0, 1)).all():
        raise ValueError("this metric needs predicted classes (0 or 1), not scores: apply the threshold first")
    cell = 2 * np.asarray(y, np.int64) + np.asarray(predicted, np.int64)
    one_hot = np.eye(4)[cell]  # (n, 4), one column for tn, fp, fn, tp
    return Counts(*np.ascontiguousarray((weights @ one_hot).T))


def counts_of(predictions: Predictions) -> Counts:
    """Count TN, FP, FN and TP at the threshold of the predictions; arrays of length 1."""
    predicted = predictions.y_score >= predictions.threshold
    return count_outcomes(predictions.y_true, predicted, np.ones((1, len(predictions))))


def confusion_of(predictions: Predictions) -> dict[str, Any]:
    """Return ``tn, fp, fn, tp`` and the threshold as plain numbers."""
    counts = counts_of(predictions)
    cells = {name: int(getattr(counts, name)[0]) for name in ("tn", "fp", "fn", "tp")}
    return {**cells, "threshold": float(predictions.threshold)}


def binarize(predictions: Predictions) -> Predictions:
    """Replace the scores by predicted classes (0 and 1, threshold 0.5)."""
    predicted = (predictions.y_score >= predictions.threshold).astype(np.float64)
    return replace(predictions, table=predictions.table.assign(y_score=predicted), threshold=0.5)


def describe_threshold(predictions: Predictions) -> str:
    """Describe the classification rule and the origin of its threshold."""
    return (
        f"a patient is classified as {predictions.positive!r} (the positive class) if the mean score is "
        f"{predictions.threshold:g} or higher; the threshold was {predictions.threshold_origin}"
    )


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide, and give NaN if the denominator is 0."""
    value = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=value, where=np.asarray(denominator) > 0)
    return value


def checked_values(values: object, count: int) -> Floats:
    """Return what a statistic gave, one number for each weighting.

    Raises:
        EchokitError: It gave something else.
    """
    try:
        numbers = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty((0, 0))
    if numbers.shape != (count,):
        got = f"an array {np.shape(values)}" if isinstance(values, np.ndarray) else type(values).__name__
        raise EchokitError(
            f"the statistic of an evaluator gave {got}, not one number for each of {count} weightings",
            hint="return an array (B,) of floats for weights (B, n)",
            where="evaluate",
            code="evaluator.wrong_statistic",
        )
    return numbers


def first_value(values: Floats) -> float | None:
    """Return the first of (B,) values as a plain number, None for NaN.

    Args:
        values: (1,) float64, of a single weighting.

    Raises:
        EchokitError: They have another shape.
    """
    values = checked_values(values, 1)
    return None if np.isnan(values[0]) else float(values[0])
