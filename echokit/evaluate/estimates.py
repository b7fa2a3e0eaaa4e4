"""What every metric of an estimated quantity (the ejection fraction) is made from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from echokit.evaluate.bootstrap import bootstrap_interval
from echokit.evaluate.evaluation import Evaluation, Interval, Metric
from echokit.evaluate.predictions import Predictions

Floats = npt.NDArray[np.float64]


class EstimateMetric(ABC):
    """A metric of the columns ``target`` and ``prediction``, each the mean over a patient's videos."""

    metric: ClassVar[str]
    definition: ClassVar[str]
    unit: ClassVar[str] = "points"
    least: ClassVar[int] = 1

    @abstractmethod
    def formula(self, target: npt.NDArray[Any], prediction: Floats, weights: npt.NDArray[np.number]) -> Floats:
        """Compute the metric for (B, n) weights: (B,) float64, NaN where it is undefined."""

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute the metric of one split, one row a patient."""
        reason, value, baseline = self._undefined(predictions), None, None
        if reason is None:
            target, prediction = estimates_of(predictions)
            one = np.ones((1, len(target)))
            value = _number(self.formula(target, prediction, one))
            baseline = _number(self.formula(target, np.full(len(target), target.mean()), one))
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
        """Make a bootstrap interval over patients."""
        reason = self._undefined(predictions)
        if reason:
            return (Interval(None, None, f"undefined: {reason}"),)
        target, prediction = estimates_of(predictions)
        interval = bootstrap_interval(
            target, prediction, self.formula, resamples=resamples, level=level, stratified=False, seed=seed
        )
        return (interval,)

    def _undefined(self, predictions: Predictions) -> str | None:
        return undefined_estimates(predictions, self.least)


def undefined_estimates(predictions: Predictions, least: int = 1) -> str | None:
    """Say why nothing can be said of estimates, or None."""
    if not {"target", "prediction"} <= set(predictions.table.columns):
        return "the run estimates no quantity (its objective gives no target and prediction)"
    if len(predictions) < least:
        return f"fewer than {least} patients" if least > 1 else "no patients"
    unknown = int((~np.isfinite(predictions.table[["target", "prediction"]].to_numpy(np.float64))).any(axis=1).sum())
    return f"{unknown} patients have no true value or no estimate" if unknown else None


def estimates_of(predictions: Predictions) -> tuple[Floats, Floats]:
    """True values and estimates, each (n,) float64."""
    table = predictions.table
    return table["target"].to_numpy(np.float64), table["prediction"].to_numpy(np.float64)


def _number(values: Floats) -> float | None:
    return None if np.isnan(values[0]) else float(values[0])
