"""Calibrate scores to probabilities on the validation patients alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from echokit.errors import EchokitError

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

PATIENTS = 20
"""Fewest validation patients for the normal model.

Simulated with EchoNet's distribution of EF and a poor model (error of 12 points): with 20 patients, the 95th percentile
of the held-out log loss is 0.55; with 10 patients it is 0.63, that of predicting the prevalence.
"""
EACH_CLASS = 10
"""Fewest validation patients of each class for Platt's model: about 34 patients, with a log loss of 0.52."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A probability of the positive class, ``link(intercept + slope * x)``.

    Attributes:
        method: ``platt``: the link is the logistic function. ``normal``: it is the normal distribution function.
        of: ``score``: x is the score itself. ``logit``: x is the log odds of a score between 0 and 1.
        intercept, slope: Finite; the slope is positive, so the ranking of the cases does not change.
        n, events: Number of validation patients that it was fitted on, and of the positive ones.
    """

    method: Literal["platt", "normal"]
    of: Literal["score", "logit"]
    intercept: float
    slope: float
    n: int
    events: int

    def __call__(self, score: Numbers) -> Numbers:
        """Compute (n,) probabilities from (n,) scores."""
        from scipy.special import expit, ndtr

        z = self.intercept + self.slope * (log_odds(score) if self.of == "logit" else score)
        probability: Numbers = expit(z) if self.method == "platt" else ndtr(z)
        return probability

    @property
    def definition(self) -> str:
        """Description for reports."""
        how = {"platt": "Platt's logistic model", "normal": "a normal model of the error"}[self.method]
        return f"{how}, fitted on {self.n:,} validation patients, {self.events:,} positive"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able data, which `calibration_from` reads."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Uncalibrated:
    """A calibration that is not possible, so the score stays as it is.

    Attributes:
        reason: Why not.
    """

    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able data, which `calibration_from` reads."""
        return asdict(self)


Calibrator = Callable[[Numbers, Integers, Numbers], Calibration | Uncalibrated]
"""Fits a calibration to the scores, classes and values (n,) of the validation patients."""


def calibration_from(plain: Mapping[str, Any]) -> Calibration | Uncalibrated:
    """Read a calibration from the data that ``to_dict`` returned.

    Raises:
        EchokitError: It is not a calibration.
    """
    try:
        if set(plain) == {"reason"}:
            return Uncalibrated(str(plain["reason"]))
        calibration = Calibration(**plain)
        known = calibration.method in ("platt", "normal") and calibration.of in ("score", "logit")
        if known and 0 < calibration.slope < math.inf and math.isfinite(calibration.intercept):
            return calibration
    except TypeError:
        pass
    raise EchokitError(
        "not a calibration: expected method, of, intercept, slope (above 0), n and events", code="calibration.invalid"
    )


def all_or_none(fitted: Sequence[Calibration | Uncalibrated | None]) -> tuple[Calibration, ...] | None:
    """Return the calibrations of all folds, or None if one fold has none.

    Calibrated and uncalibrated scores must not stand in one column.
    """
    calibrations = tuple(item for item in fitted if isinstance(item, Calibration))
    return calibrations if calibrations and len(calibrations) == len(fitted) else None


def platt(of: Literal["score", "logit"]) -> Calibrator:
    """Return Platt's model of y_true by the score.

    Source: Platt, Probabilistic outputs for support vector machines, 1999.
    """
    return partial(_fit_platt, of=of)


def normal(below: float) -> Calibrator:
    """Return a linear model of the true value by the estimate, with normal errors.

    The score is ``below - estimate``. Unlike Platt's model it learns from the distance of each value to the cut-off, so
    it needs fewer patients.
    """
    return partial(_fit_normal, below=below)


def _fit_platt(
    score: Numbers, y_true: Integers, value: Numbers, *, of: Literal["score", "logit"]
) -> Calibration | Uncalibrated:
    """Maximise the likelihood of Platt's softened classes.

    They keep the slope finite if the score separates the classes completely.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    n, events = len(y_true), int(y_true.sum())
    if min(events, n - events) < EACH_CLASS:
        return Uncalibrated(
            f"the validation set has {events} positive and {n - events} negative patients, and a calibration needs "
            f"{EACH_CLASS} of each"
        )
    x = log_odds(score) if of == "logit" else score
    if not np.ptp(x) > 0:
        return Uncalibrated("every validation patient has the same score")
    centre, scale = float(x.mean()), float(x.std())
    standard = (x - centre) / scale
    soft = np.where(y_true == 1, (events + 1) / (events + 2), 1 / (n - events + 2))

    def loss(parameters: Numbers) -> tuple[float, Numbers]:
        z = parameters[0] + parameters[1] * standard
        gap = expit(z) - soft
        return float(np.mean(np.logaddexp(0, z) - soft * z)), np.array([gap.mean(), (gap * standard).mean()])

    intercept, slope = minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-10}).x
    if not slope > 0:
        return _wrong_direction()
    return Calibration("platt", of, float(intercept - slope * centre / scale), float(slope / scale), n, events)


def _fit_normal(score: Numbers, y_true: Integers, value: Numbers, *, below: float) -> Calibration | Uncalibrated:
    n, events = len(y_true), int(y_true.sum())
    if n < PATIENTS:
        return Uncalibrated(f"the validation set has {n} patients, and a calibration needs {PATIENTS}")
    truth = below - value
    if not np.ptp(score) > 0:
        return Uncalibrated("every validation patient has the same estimate")
    slope = float(np.mean((score - score.mean()) * (truth - truth.mean())) / score.var())
    intercept = float(truth.mean() - slope * score.mean())
    error = float(np.sqrt(np.sum((truth - intercept - slope * score) ** 2) / (n - 2)))
    if not slope > 0:
        return _wrong_direction()
    if not error > 1e-9 * np.ptp(truth):  # rounding alone gives about 1e-15
        return Uncalibrated("the estimates of all validation patients are exact, so the error has no variance")
    return Calibration("normal", "score", intercept / error, slope / error, n, events)


def _wrong_direction() -> Uncalibrated:
    return Uncalibrated("in the validation set the score is not higher for the positive class")


def log_odds(score: Numbers) -> Numbers:
    """Compute the log odds of scores between 0 and 1.

    Scores that float32 rounds to 0 or 1 are moved to the nearest number inside.

    Args:
        score: (n,) float64 between 0 and 1.
    """
    from scipy.special import logit

    tiny, step = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).eps)
    odds: Numbers = logit(np.clip(score, tiny, 1 - step / 4))
    return odds
