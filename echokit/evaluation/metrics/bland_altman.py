"""Agreement of an estimate with the truth (Bland and Altman)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from echokit.evaluation.evaluation import Evaluation, Interval, Metric
from echokit.evaluation.evaluator import Floats
from echokit.evaluation.metrics.estimate_metric import estimates_of, undefined_estimates
from echokit.evaluation.predictions import Predictions

Z_95 = 1.959963984540054
_LINES = {
    "bias": "mean of estimate - truth",
    "lower": "lower 95 % limit of agreement: mean - 1.96 sample SD (ddof = 1) of estimate - truth",
    "upper": "upper 95 % limit of agreement: mean + 1.96 sample SD (ddof = 1) of estimate - truth",
}


class BlandAltman:
    """Bias and 95 % limits of agreement (Bland and Altman, Lancet 1986).

    ``bland_altman_bias``, ``bland_altman_lower`` and ``bland_altman_upper``, in the unit of the target; the limits
    use the sample SD and assume normal differences. The curve ``bland_altman`` holds ``mean`` and
    ``difference`` of every patient.
    """

    metric = "bland_altman"

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute the three lines of one split, one row a patient."""
        reason = undefined_estimates(predictions, least=2)
        values: dict[str, float] = {}
        baselines: dict[str, float] = {}
        curves = {}
        if reason is None:
            target, prediction = estimates_of(predictions)
            values, baselines = _lines(prediction - target), _lines(target.mean() - target)
            curves["bland_altman"] = {
                "mean": ((prediction + target) / 2).tolist(),
                "difference": (prediction - target).tolist(),
            }
        metrics = tuple(
            Metric(
                metric=f"{self.metric}_{name}",
                definition=f"{description}; the baseline is always answering the mean of these patients",
                value=values.get(name),
                n=len(predictions),
                events=int(predictions.y_true.sum()),
                baseline=baselines.get(name),
                interval=f"undefined: {reason}" if reason else None,
                unit="points",
            )
            for name, description in _LINES.items()
        )
        return Evaluation(metrics, curves)

    def intervals(self, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Compute Student's t intervals (Bland and Altman 1999).

        Those of the limits use the variance SD^2 (1/n + 1.96^2 / (2 (n - 1))).
        """
        from scipy.stats import t

        reason = undefined_estimates(predictions, least=2)
        if reason:
            return (Interval(None, None, f"undefined: {reason}"),) * len(_LINES)
        target, prediction = estimates_of(predictions)
        difference = prediction - target
        n, sd, values = len(difference), float(difference.std(ddof=1)), _lines(difference)
        quantile = float(t.ppf((1 + level) / 2, n - 1))
        intervals = []
        for name, value in values.items():
            error = sd * math.sqrt(1 / n + (Z_95**2 / (2 * (n - 1)) if name != "bias" else 0.0))
            method = "Student's t" if name == "bias" else "Student's t with the approximate variance of the limit"
            intervals.append(Interval(value - quantile * error, value + quantile * error, method))
        return intervals


def _lines(difference: Floats) -> dict[str, float]:
    bias, sd = float(difference.mean()), float(np.std(difference, ddof=1))
    return {"bias": bias, "lower": bias - Z_95 * sd, "upper": bias + Z_95 * sd}
