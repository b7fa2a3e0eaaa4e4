"""Calibration: from a score to a probability, fitted on the validation patients and on nobody else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from echokit.errors import EchokitError

if TYPE_CHECKING:
    from echokit.objectives.objective import Calibrator

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

PATIENTS = 20
"""Fewest validation patients for the normal model. Simulated with EchoNet's spread of EF and a poor model (error 12
points): of 20 patients the worst 1 in 20 calibrations has a held-out log loss of 0.55, of 10 patients 0.63, which is
also what always answering the prevalence has."""
EACH_CLASS = 10
"""Fewest validation patients of each class for Platt's model: about 34 patients there, and 0.52."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The probability of the positive class: ``link(intercept + slope * x)``, rising with the score.

    Attributes:
        method: ``platt``: the link is the logistic function. ``normal``: it is the normal distribution function.
        of: ``score``: x is the score itself. ``logit``: x is the log odds of a score between 0 and 1.
        intercept, slope: Finite; the slope is positive, so that the ranking of the cases stays as it is.
        n, events: Validation patients that it was fitted on, and the positive ones among them.
    """

    method: Literal["platt", "normal"]
    of: Literal["score", "logit"]
    intercept: float
    slope: float
    n: int
    events: int

    def __call__(self, score: Numbers) -> Numbers:
        """(n,) scores -> (n,) probabilities."""
        from scipy.special import expit, ndtr

        z = self.intercept + self.slope * (log_odds(score) if self.of == "logit" else score)
        probability: Numbers = expit(z) if self.method == "platt" else ndtr(z)
        return probability

    @property
    def definition(self) -> str:
        """How it was made, in words."""
        how = {"platt": "Platt's logistic model", "normal": "a normal model of the error"}[self.method]
        return f"{how}, fitted on {self.n:,} validation patients, {self.events:,} positive"

    def plain(self) -> dict[str, Any]:
        """As JSON-able data; `calibration_from` takes it back."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Uncalibrated:
    """There is no calibration, so the score is not turned into a probability.

    Attributes:
        reason: Why, in words.
    """

    reason: str

    def plain(self) -> dict[str, Any]:
        """As JSON-able data; `calibration_from` takes it back."""
        return asdict(self)


def calibration_from(plain: Mapping[str, Any]) -> Calibration | Uncalibrated:
    """Take back what ``plain`` gave.

    Raises:
        EchokitError: It is something else.
    """
    try:
        if set(plain) == {"reason"}:
            return Uncalibrated(str(plain["reason"]))
        found = Calibration(**plain)
        fine = found.method in ("platt", "normal") and found.of in ("score", "logit") and found.slope > 0
        if fine and math.isfinite(found.slope) and math.isfinite(found.intercept):
            return found
    except TypeError:
        pass
    raise EchokitError("it is no calibration: expected method, of, intercept, slope (above 0), n and events")


def all_or_none(fitted: Sequence[Calibration | Uncalibrated | None]) -> tuple[Calibration, ...] | None:
    """The calibrations of all folds, or None: scores of folds with and without one must not stand in one column."""
    found = tuple(one for one in fitted if isinstance(one, Calibration))
    return found if found and len(found) == len(fitted) else None


def platt(of: Literal["score", "logit"]) -> Calibrator:
    """Platt's model of y_true by the score (Platt, Probabilistic outputs for support vector machines, 1999)."""
    return partial(_fit_platt, of=of)


def normal(below: float) -> Calibrator:
    """A straight line from the estimated to the true value with a normal error; the score is ``below - estimate``.

    Unlike Platt's model it learns from how far each value lies from the cut-off, so it needs fewer patients.
    """
    return partial(_fit_normal, below=below)


def _fit_platt(
    score: Numbers, y_true: Integers, value: Numbers, *, of: Literal["score", "logit"]
) -> Calibration | Uncalibrated:
    """Maximise the likelihood of Platt's softened classes, which keeps the slope finite where a cut parts them."""
    from scipy.optimize import minimize
    from scipy.special import expit

    n, events = len(y_true), int(y_true.sum())
    if min(events, n - events) < EACH_CLASS:
        return Uncalibrated(
            f"the validation part has {events} positive and {n - events} other patients, and a calibration needs "
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
        return _not_rising()
    return Calibration("platt", of, float(intercept - slope * centre / scale), float(slope / scale), n, events)


def _fit_normal(score: Numbers, y_true: Integers, value: Numbers, *, below: float) -> Calibration | Uncalibrated:
    n, events = len(y_true), int(y_true.sum())
    if n < PATIENTS:
        return Uncalibrated(f"the validation part has {n} patients, and a calibration needs {PATIENTS}")
    truth = below - value
    if not np.ptp(score) > 0:
        return Uncalibrated("every validation patient has the same estimate")
    slope = float(np.mean((score - score.mean()) * (truth - truth.mean())) / score.var())
    intercept = float(truth.mean() - slope * score.mean())
    error = float(np.sqrt(np.sum((truth - intercept - slope * score) ** 2) / (n - 2)))
    if not slope > 0:
        return _not_rising()
    if not error > 1e-9 * np.ptp(truth):  # rounding alone gives some 1e-15 of it
        return Uncalibrated("the estimates of the validation patients are all exact, so the error has no size")
    return Calibration("normal", "score", intercept / error, slope / error, n, events)


def _not_rising() -> Uncalibrated:
    return Uncalibrated("in the validation part the score does not rise with the positive class")


def log_odds(score: Numbers) -> Numbers:
    """Log odds of scores between 0 and 1; those that float32 rounds to 0 or 1 are taken for the nearest below or above.

    Args:
        score: (n,) float64 between 0 and 1.
    """
    from scipy.special import logit

    tiny, step = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).eps)
    odds: Numbers = logit(np.clip(score, tiny, 1 - step / 4))
    return odds
