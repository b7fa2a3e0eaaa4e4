"""The evaluator interface and its optional protocols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from echokit.evaluation.evaluation import BaselineTest, Evaluation, Interval, Metric
    from echokit.evaluation.predictions import Predictions

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[Any]
"""(n,) int64 of 0 and 1, or float64 of a quantity."""
Weights = npt.NDArray[np.number]
"""(B, n): how often each patient is in each of B resamples."""


class Evaluator(Protocol):
    """Compute metrics and curves from predictions, one row a patient.

    The metrics come without an interval and without split, repeat and fold: ``evaluate_folds`` fills these in.
    """

    def __call__(self, predictions: Predictions, /) -> Evaluation: ...


@runtime_checkable
class Resampled(Protocol):
    """An evaluator of one metric that can be given a bootstrap interval.

    Attributes:
        stratified: Whether the resamples keep the number of patients of each class. Right for a metric that
            does not depend on the prevalence (AUROC); for others it makes the interval too narrow.
        thresholded: Whether ``statistic`` takes predicted classes instead of scores: 1.0 if the score is at or above
            ``Predictions.threshold``, else 0.0.
    """

    stratified: ClassVar[bool]
    thresholded: ClassVar[bool]

    def statistic(self, y: Labels, score: Floats, weights: Weights, /) -> Floats:
        """Compute the metric for B weightings of the same n patients at once.

        Args:
            y: (n,) int64 of 0 and 1.
            score: (n,) float64 scores, or predicted classes (0.0 and 1.0) if ``thresholded``.
            weights: (B, n), how often each patient is in each resample.

        Returns:
            (B,) float64, NaN where the metric is undefined.
        """
        ...


@runtime_checkable
class WithIntervals(Protocol):
    """An evaluator with its own interval method instead of the bootstrap."""

    def intervals(self, predictions: Predictions, /, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Compute one interval for each metric of the evaluator, in the same order."""
        ...


@runtime_checkable
class AgainstBaseline(Protocol):
    """An evaluator with a test of its metrics against their baselines.

    Needed if a baseline comes from the patients themselves: it then varies with the metric, and an interval that
    contains it does not show that they are equal.
    """

    def against_baseline(self, predictions: Predictions, /, *, seed: int) -> Sequence[BaselineTest | None]:
        """Compare the model with the baseline of each metric, in the same order."""
        ...


@runtime_checkable
class AcrossFolds(Protocol):
    """An evaluator with metrics of a whole cross-validation."""

    def across_folds(self, folds: Sequence[Predictions], /, *, level: float) -> Sequence[Metric]:
        """Compute metrics of all folds of one split, each at its own threshold."""
        ...


@runtime_checkable
class AtThreshold(Protocol):
    """An evaluator whose threshold is a setting.

    A number, a threshold rule or its name in a recipe, or None for the predictions' own.
    """

    threshold_rule: Any
