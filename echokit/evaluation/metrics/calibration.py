"""Calibration of probabilities: observed/expected ratio, slope, intercept and curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from echokit.evaluation.evaluation import Evaluation, Interval, Metric
from echokit.evaluation.evaluator import Floats, Labels
from echokit.evaluation.metrics.log_loss import clip_probabilities, describe_clipping
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.wilson import wilson, z_of

ENOUGH = 100
BINS = 10


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A coefficient of the logistic regression of class on logit.

    Attributes:
        value: The coefficient, or None if the fit does not exist.
        error: Its standard error, from the information matrix.
    """

    value: float | None
    error: float | None


class Calibration:
    """Calibration: observed over expected positives, slope, intercept and curve.

    All but the first need 100 patients of each class. ``calibration_oe`` is the number of positives over the sum of the
    probabilities, 1 if correct on average. ``calibration_slope`` is 1 if the probabilities are neither too extreme
    (below 1) nor too moderate; ``calibration_intercept`` is 0 if they are correct on average at that slope of 1 (Van
    Calster et al., BMC Medicine 2019). The curve ``calibration`` has ten bins of equally many patients, each with the
    band that a calibrated model would show. There is no expected calibration error, as its value is mostly noise at
    small n.
    """

    metric = "calibration"

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute the calibration of one split, one row a patient."""
        reason, enough = _undefined(predictions), _enough(predictions)
        n, positives = len(predictions), int(predictions.y_true.sum())
        expected = 0.0 if reason else float(predictions.y_score.sum())
        which = f"of the positive class ({predictions.positive!r})"
        rows = [
            (
                "oe",
                f"patients {which} over the sum of their probabilities; 1 is correct on average, below 1 the "
                "probabilities are too high",
                None if reason else positives / expected,
                reason,
            )
        ]
        too_few = reason or (None if enough else f"fewer than {ENOUGH} patients of a class")
        for name, description in _COEFFICIENTS.items():
            value = None if too_few else _fit(name, predictions).value
            why = too_few or (None if value is not None else "the classes are separated by the score")
            clipping = "" if reason else describe_clipping(predictions.y_score)
            rows.append((name, f"{description} {which}{clipping}", value, why))
        metrics = tuple(
            Metric(
                metric=f"{self.metric}_{name}",
                definition=definition,
                value=value,
                n=n,
                events=positives,
                baseline=None if value is None else (1.0 if name == "oe" else 0.0),
                interval=f"undefined: {why}" if why else None,
            )
            for name, definition, value, why in rows
        )
        return Evaluation(metrics, {} if reason or not enough else {"calibration": _curve(predictions)})

    def intervals(self, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Compute Wilson's interval of the ratio, Wald's of slope and intercept."""
        reason = _undefined(predictions)
        if reason:
            return (Interval(None, None, f"undefined: {reason}"),) * (1 + len(_COEFFICIENTS))
        n, positives = len(predictions), int(predictions.y_true.sum())
        share = float(predictions.y_score.mean())
        ends = wilson(positives, n, level)
        method = f"{ends.method} of the observed share, over the expected one"
        low, high = (None if end is None else end / share for end in (ends.low, ends.high))
        intervals = [Interval(low, high, method)]
        for name in _COEFFICIENTS:
            fit = _fit(name, predictions) if _enough(predictions) else Coefficient(None, None)
            if fit.value is None or fit.error is None:
                intervals.append(Interval(None, None, "undefined"))
                continue
            half = z_of(level) * fit.error
            intervals.append(Interval(fit.value - half, fit.value + half, "Wald, from the information matrix"))
        return intervals


_COEFFICIENTS = {
    "slope": "slope of the logistic regression of the class on the logit of the probability; 1 is ideal; the baseline "
    "is an uninformative probability; the class is",
    "intercept": "intercept of that regression with its slope fixed at 1 (calibration in the large); 0 is ideal; the "
    "class is",
}


def logistic(y: Labels, columns: Floats, offset: Floats) -> tuple[Floats, Floats] | None:
    """Fit a logistic regression by Newton's method.

    Args:
        y: (n,) of 0 and 1.
        columns: (n, p) float64 of the design, the constant included.
        offset: (n,) float64 added to the linear predictor.

    Returns:
        (p,) coefficients and (p, p) covariance, or None if the likelihood has no maximum (separated classes).
    """
    beta = np.zeros(columns.shape[1])
    for _ in range(100):
        eta = np.clip(offset + columns @ beta, -700, 700)
        p = 1 / (1 + np.exp(-eta))
        information = columns.T @ (columns * (p * (1 - p))[:, None])
        try:
            step = np.linalg.solve(information, columns.T @ (y - p))
        except np.linalg.LinAlgError:
            return None
        beta = beta + step
        if not np.isfinite(beta).all() or np.abs(beta).max() > 1e4:
            return None
        if np.abs(step).max() < 1e-12 * (1 + np.abs(beta).max()):
            return np.asarray(beta, np.float64), np.asarray(np.linalg.inv(information), np.float64)
    return None


def _fit(name: str, predictions: Predictions) -> Coefficient:
    p = clip_probabilities(predictions.y_score)
    logit = np.log(p) - np.log1p(-p)
    one, zero = np.ones((len(p), 1)), np.zeros(len(p))
    if name == "slope":
        fit = logistic(predictions.y_true, np.column_stack([logit, one[:, 0]]), zero)
    else:
        fit = logistic(predictions.y_true, one, logit)
    if fit is None:
        return Coefficient(None, None)
    beta, covariance = fit
    return Coefficient(float(beta[0]), math.sqrt(covariance[0, 0]))


def _undefined(predictions: Predictions) -> str | None:
    score = predictions.y_score
    if not len(score):
        return "no patients"
    if not predictions.probability or ((score < 0) | (score > 1)).any():
        return "the scores are no probabilities"
    # Below the smallest normal number the ratio to it would overflow.
    return "every probability is 0" if not score.mean() > np.finfo(np.float64).tiny else None


def _enough(predictions: Predictions) -> bool:
    positives = int(predictions.y_true.sum())
    return min(positives, len(predictions) - positives) >= ENOUGH


def _curve(predictions: Predictions) -> dict[str, list[float]]:
    """Compute expected and observed share of ten bins, with the 95 % calibration band."""
    from scipy.stats import binom

    order = np.argsort(predictions.y_score, kind="stable")
    bins: dict[str, list[float]] = {name: [] for name in ("expected", "observed", "n", "null_low", "null_high")}
    for rows in np.array_split(order, BINS):
        p, n = float(predictions.y_score[rows].mean()), len(rows)
        low, high = (float(binom.ppf(q, n, p)) / n for q in (0.025, 0.975))
        values: tuple[Any, ...] = (p, float(predictions.y_true[rows].mean()), n, low, high)
        for name, value in zip(bins, values, strict=True):
            bins[name].append(value)
    return bins
