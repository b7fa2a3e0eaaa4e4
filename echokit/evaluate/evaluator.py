"""Evaluator: one metric of one set of patients, and what it may offer besides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from echokit.evaluate.evaluation import Evaluation, Interval, Metric
    from echokit.evaluate.predictions import Predictions


class Evaluator(Protocol):
    """Called with the predictions of one split and fold, one row a patient; gives its metrics and curves.

    The metrics come without an interval and without split, repeat and fold: ``assess`` fills these in.
    """

    def __call__(self, predictions: Predictions, /) -> Evaluation: ...


@runtime_checkable
class Resampled(Protocol):
    """What an evaluator of one metric adds to be given a bootstrap interval.

    Attributes:
        stratified: Whether the resamples keep the number of patients of each class. Right for a metric that
            does not depend on the prevalence (AUROC); for others it makes the interval too narrow.
        thresholded: Whether ``statistic`` wants calls instead of scores: 1.0 where the score is at or above
            ``Predictions.threshold``, else 0.0.
    """

    stratified: ClassVar[bool]
    thresholded: ClassVar[bool]

    def statistic(
        self, y: npt.NDArray[Any], score: npt.NDArray[np.float64], weights: npt.NDArray[np.number], /
    ) -> npt.NDArray[np.float64]:
        """Compute the metric for B weightings of the same n patients at once.

        Args:
            y: (n,) int64 of 0 and 1.
            score: (n,) float64 scores, or calls (0.0 and 1.0) when ``thresholded``.
            weights: (B, n), how often each patient is in each resample.

        Returns:
            (B,) float64, NaN where the metric is undefined.
        """
        ...


@runtime_checkable
class WithIntervals(Protocol):
    """What an evaluator adds whose intervals are of another kind than the bootstrap of its ``statistic``."""

    def intervals(self, predictions: Predictions, /, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Make one interval for each metric that calling the evaluator gives, in the same order."""
        ...


@runtime_checkable
class AcrossFolds(Protocol):
    """What an evaluator adds that can say more of a whole cross-validation than the mean over its folds."""

    def across_folds(self, folds: Sequence[Predictions], /, *, level: float) -> Sequence[Metric]:
        """Make metrics of all folds of one split; each fold's predictions come with its own threshold."""
        ...


@runtime_checkable
class AtThreshold(Protocol):
    """An evaluator whose threshold is a setting: a number, the name of a rule, or None for the predictions' own."""

    threshold_rule: float | str | None
