"""What every metric of calls is made from: patients called positive or not, against what they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from echokit.evaluate.evaluation import Evaluation, Interval, Metric
from echokit.evaluate.predictions import Predictions
from echokit.evaluate.proportion import wilson
from echokit.evaluate.threshold import RULE

Floats = npt.NDArray[np.float64]
Threshold = Annotated[float, Field(allow_inf_nan=False)] | Annotated[str, Field(pattern=RULE)]
AS_MANY_AT_RANDOM = "calling as many patients at random"


@dataclass(frozen=True, slots=True)
class Counts:
    """Patients by what they were called and what they are, each (B,) float64: one entry a weighting."""

    tn: Floats
    fp: Floats
    fn: Floats
    tp: Floats

    @property
    def n(self) -> Floats:
        """All patients."""
        return self.tn + self.fp + self.fn + self.tp

    @property
    def events(self) -> Floats:
        """Patients of the positive class."""
        return self.fn + self.tp

    @property
    def called(self) -> Floats:
        """Patients called positive."""
        return self.fp + self.tp


def count_calls(y: npt.NDArray[Any], called: npt.NDArray[Any], weights: npt.NDArray[np.number]) -> Counts:
    """Count the four kinds of calls for B weightings.

    Args:
        y: (n,) of 0 and 1.
        called: (n,) of 0 and 1, or bool.
        weights: (B, n).

    Raises:
        ValueError: ``called`` holds anything but 0 and 1: the threshold was not applied.
    """
    if not np.isin(called, (0, 1)).all():
        raise ValueError("this metric needs calls (0 or 1), not scores: apply the threshold first")
    kind = 2 * np.asarray(y, np.int64) + np.asarray(called, np.int64)
    each = np.eye(4)[kind]  # (n, 4), one column for tn, fp, fn, tp
    return Counts(*np.ascontiguousarray((weights @ each).T))


def ratio(above: Floats, below: Floats) -> Floats:
    """Divide, and give NaN where there is nothing to divide by."""
    value = np.full(np.broadcast(above, below).shape, np.nan)
    np.divide(above, below, out=value, where=np.asarray(below) > 0)
    return value


class Called:
    """What calls patients positive.

    Args:
        threshold: Score at and above which a patient is called positive; or `youden`, `sensitivity_at_0.90` or
            `specificity_at_0.90`: the rule that chooses it on the validation part, never on the test part. By
            default the threshold of the predictions, which is 0.5.
    """

    def __init__(self, *, threshold: Threshold | None = None) -> None:
        self.threshold_rule = threshold


class CallMetric(Called, ABC):
    """A metric of calls that follows from the four counts."""

    metric: ClassVar[str]
    definition: ClassVar[str]
    undefined: ClassVar[str] = "no patients"
    baseline_is: ClassVar[str] = AS_MANY_AT_RANDOM
    stratified: ClassVar[bool] = False
    thresholded: ClassVar[bool] = True

    @abstractmethod
    def formula(self, counts: Counts) -> Floats:
        """Compute the metric from counts: (B,) float64, NaN where it is undefined."""

    @abstractmethod
    def baseline(self, counts: Counts) -> Floats:
        """Compute what ``baseline_is`` would score: (B,) float64, NaN where it is undefined."""

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute the metric of one split, one row a patient."""
        counts = counts_of(predictions)
        value, baseline = _number(self.formula(counts)), _number(self.baseline(counts))
        metric = Metric(
            metric=self.metric,
            definition=f"{self.definition}; {call_words(predictions)}; the baseline is {self.baseline_is}",
            value=value,
            n=len(predictions),
            events=int(predictions.y_true.sum()),
            baseline=baseline,
            threshold=float(predictions.threshold),
            interval=None
            if value is not None
            else f"undefined: {self.undefined if len(predictions) else 'no patients'}",
        )
        return Evaluation((metric,), self.curves(predictions))

    def curves(self, predictions: Predictions) -> dict[str, Any]:
        """Give what is drawn besides; nothing by default."""
        return {}

    def statistic(self, y: npt.NDArray[Any], score: Floats, weights: npt.NDArray[np.number]) -> Floats:
        """Compute the metric of calls for B weightings.

        Args:
            y: (n,) int64 of 0 and 1.
            score: (n,) float64 of 0.0 and 1.0: the calls at the threshold, not the scores themselves.
            weights: (B, n), how often each patient is in each resample.

        Returns:
            (B,) float64, NaN where the metric is undefined.

        Raises:
            ValueError: ``score`` holds anything but 0 and 1.
        """
        return self.formula(count_calls(y, score, weights))


class Proportion(CallMetric):
    """A metric of calls that is a share of some patients, and so has Wilson's interval."""

    @abstractmethod
    def share(self, counts: Counts) -> tuple[Floats, Floats]:
        """Give the patients that count as right, and those that the share is of."""

    def formula(self, counts: Counts) -> Floats:
        """Divide the two."""
        return ratio(*self.share(counts))

    def intervals(self, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Make Wilson's interval."""
        successes, trials = self.share(counts_of(predictions))
        return (wilson(float(successes[0]), float(trials[0]), level),)

    def across_folds(self, folds: Sequence[Predictions], *, level: float) -> Sequence[Metric]:
        """Pool the calls of all folds, each at its own threshold, with an approximate interval."""
        from echokit.evaluate.cross_validation import pooled_proportion

        return pooled_proportion(self, folds, level=level)


def counts_of(predictions: Predictions) -> Counts:
    """Count the calls of one set of patients, at its threshold; arrays of length 1."""
    called = predictions.y_score >= predictions.threshold
    return count_calls(predictions.y_true, called, np.ones((1, len(predictions))))


def confusion_of(predictions: Predictions) -> dict[str, Any]:
    """``tn, fp, fn, tp`` and the threshold, as plots and files want them."""
    counts = counts_of(predictions)
    cells = {name: int(getattr(counts, name)[0]) for name in ("tn", "fp", "fn", "tp")}
    return {**cells, "threshold": float(predictions.threshold)}


def call_words(predictions: Predictions) -> str:
    """Say who is called positive, and where the threshold is from."""
    return (
        f"a patient is called {predictions.positive!r} (the positive class) when the mean score is "
        f"{predictions.threshold:g} or higher; the threshold was {predictions.threshold_origin}"
    )


def as_calls(predictions: Predictions) -> Predictions:
    """Put calls (0 and 1, threshold 0.5) in place of the scores, so that folds with other thresholds can be joined."""
    called = (predictions.y_score >= predictions.threshold).astype(np.float64)
    return replace(predictions, table=predictions.table.assign(y_score=called), threshold=0.5)


def _number(values: Floats) -> float | None:
    return None if np.isnan(values[0]) else float(values[0])
