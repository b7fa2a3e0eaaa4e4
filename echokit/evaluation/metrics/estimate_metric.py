"""Base class of the metrics of an estimated quantity (the ejection fraction)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from echokit.evaluation.evaluation import BaselineTest, Evaluation, Interval, Metric
from echokit.evaluation.evaluator import Floats, Labels, Weights
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.against_baseline import against_constant
from echokit.evaluation.statistics.bootstrap import bootstrap_interval
from echokit.evaluation.statistics.call_counts import first_value


class EstimateMetric(ABC):
    """A metric of ``target`` and ``prediction``, averaged by patient."""

    metric: ClassVar[str]
    definition: ClassVar[str]
    larger_is_better: ClassVar[bool] = True
    unit: ClassVar[str] = "points"
    least: ClassVar[int] = 1
    power: ClassVar[int] = 2
    """Of the errors: 1 or 2."""

    @abstractmethod
    def formula(self, target: Labels, prediction: Floats, weights: Weights) -> Floats:
        """Compute the metric for (B, n) weights: (B,) float64, NaN where it is undefined."""

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute the metric of one split, one row a patient."""
        reason, value, baseline = undefined_estimates(predictions, self.least), None, None
        if reason is None:
            target, prediction = estimates_of(predictions)
            one = np.ones((1, len(target)))
            value = first_value(self.formula(target, prediction, one))
            baseline = first_value(self.formula(target, np.full(len(target), target.mean()), one))
            reason = "all true values are equal" if value is None else None
        metric = Metric(
            metric=self.metric,
            definition=f"{self.definition}; the baseline is always answering the mean of these patients",
            value=value,
            n=len(predictions),
            events=int(predictions.y_true.sum()),
            baseline=baseline,
            interval=f"undefined: {reason}" if reason else None,
            unit=self.unit,
        )
        return Evaluation((metric,))

    def intervals(self, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Compute a bootstrap interval over patients."""
        reason = undefined_estimates(predictions, self.least)
        if reason:
            return (Interval(None, None, f"undefined: {reason}"),)
        target, prediction = estimates_of(predictions)
        interval = bootstrap_interval(
            target, prediction, self.formula, resamples=resamples, level=level, stratified=False, seed=seed
        )
        return (interval,)

    def against_baseline(self, predictions: Predictions, *, seed: int) -> Sequence[BaselineTest | None]:
        """Compare the errors with those of always answering the mean."""
        if undefined_estimates(predictions, self.least):
            return (None,)
        target, prediction = estimates_of(predictions)
        model, constant = (np.abs(target - answer) ** self.power for answer in (prediction, target.mean()))
        return (against_constant(model, constant, "absolute error" if self.power == 1 else "squared error"),)


def undefined_estimates(predictions: Predictions, least: int = 1) -> str | None:
    """Return why metrics of estimates are undefined, or None if they are defined."""
    if not {"target", "prediction"} <= set(predictions.table.columns):
        return "the run estimates no quantity (its objective gives no target and prediction)"
    if len(predictions) < least:
        return f"fewer than {least} patients" if least > 1 else "no patients"
    unknown = int((~np.isfinite(predictions.table[["target", "prediction"]].to_numpy(np.float64))).any(axis=1).sum())
    return f"{unknown} patients have no true value or no estimate" if unknown else None


def estimates_of(predictions: Predictions) -> tuple[Floats, Floats]:
    """Return true values and estimates, each (n,) float64."""
    table = predictions.table
    return table["target"].to_numpy(np.float64), table["prediction"].to_numpy(np.float64)
