"""The contract of a calibrator, and the calibration that it gives a fold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from echokit.errors import EchokitError
from echokit.plugins.discovery import installed

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

OWN_KEYS = ("method", "n", "events")
"""What a saved calibration says beside the parameters of its calibrator."""
ROUNDING = 1e-12
"""By this much a probability may be below that of a lower score."""


@dataclass(frozen=True, slots=True)
class ValidationScores:
    """The validation patients of a fold, on which a calibrator is fitted.

    Attributes:
        score: (n,) float64 scores of the objective; higher means more likely positive.
        y_true: (n,) int64 of 0 and 1.
        value: (n,) float64 true values of the target, such as the EF in percent; NaN if there are none.
        bounded: Whether a score is always between 0 and 1, as that of a classifier; else it is any number.
        below: Cut-off of the value, below which a patient is positive; None if there is none.
    """

    score: Numbers
    y_true: Integers
    value: Numbers
    bounded: bool
    below: float | None = None


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


class Calibrator(Protocol):
    """A component that turns scores into probabilities.

    ``needs_estimate`` is optional: True if the score must be the distance of an estimate below the cut-off.

    Attributes:
        definition: The model in a few words, for reports: ``Platt's logistic model``.
    """

    definition: str

    def fit(self, patients: ValidationScores, /) -> Mapping[str, Any] | Uncalibrated:
        """Return the fitted parameters as JSON-able data, or why there are none.

        The same patients give the same parameters, whatever their order.
        """
        ...

    def apply(self, fitted: Mapping[str, Any], score: Numbers, /) -> Numbers:
        """Compute (n,) probabilities from (n,) scores.

        They are between 0 and 1, and no higher score has a lower one.

        Args:
            fitted: What ``fit`` returned, after a round trip through JSON.
            score: (n,) float64.
        """
        ...


@dataclass(frozen=True, slots=True)
class Calibration:
    """A probability of the positive class.

    Attributes:
        method: Full name of the calibrator.
        fitted: Its parameters, as JSON-able data.
        n, events: Number of validation patients that it was fitted on, and of the positive ones.
        calibrator: The component.
    """

    method: str
    fitted: Mapping[str, Any]
    n: int
    events: int
    calibrator: Calibrator = field(compare=False)

    def __call__(self, score: Numbers) -> Numbers:
        """Compute (n,) probabilities from (n,) scores.

        Raises:
            EchokitError: The calibrator gives no probabilities, or changes the ranking.
        """
        probability = np.asarray(self.calibrator.apply(self.fitted, score))
        if problem := _problem(probability, score):
            raise EchokitError(
                f"the calibrator {self.method!r} {problem}",
                hint=f"its parameters are {json.dumps(self.fitted):.200}",
                code="calibrator.bad_probability",
            )
        return probability

    @property
    def definition(self) -> str:
        """Description for reports."""
        model = self.calibrator.definition
        return f"{model}, fitted on {self.n:,} validation patients, {self.events:,} positive"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able data, which `calibration_from` reads."""
        return {"method": self.method, **self.fitted, "n": self.n, "events": self.events}


def fit_calibration(calibrator: Calibrator, patients: ValidationScores) -> Calibration | Uncalibrated:
    """Fit a calibrator to the validation patients of a fold, and try it on them.

    Raises:
        EchokitError: It returns something else than its contract says.
    """
    method = _name(calibrator)
    fitted = calibrator.fit(patients)
    if isinstance(fitted, Uncalibrated):
        return fitted
    try:
        plain = json.loads(json.dumps(fitted, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise _bad_fit(method, f"parameters that JSON cannot hold: {error}") from None
    if not isinstance(plain, dict) or set(OWN_KEYS) & set(plain):
        raise _bad_fit(method, f"{plain!r:.80}, not a mapping without the keys {', '.join(OWN_KEYS)}")
    calibration = Calibration(method, plain, len(patients.y_true), int(patients.y_true.sum()), calibrator)
    calibration(patients.score)
    return calibration


def calibration_from(plain: Mapping[str, Any], calibrator: Calibrator) -> Calibration | Uncalibrated:
    """Read a calibration from the data that ``to_dict`` returned.

    Args:
        plain: The data.
        calibrator: The calibrator of the run.

    Raises:
        EchokitError: It is not a calibration of this calibrator.
    """
    if set(plain) == {"reason"}:
        return Uncalibrated(str(plain["reason"]))
    method = _name(calibrator)
    try:
        fitted = {key: value for key, value in plain.items() if key not in OWN_KEYS}
        calibration = Calibration(str(plain["method"]), fitted, int(plain["n"]), int(plain["events"]), calibrator)
        if calibration.method == method:
            calibration(np.array([0.25, 0.5, 0.75]))
            return calibration
    except (KeyError, TypeError, ValueError, EchokitError) as error:
        why = f": {error}"
    else:
        why = f" of the calibrator {method!r}"
    raise EchokitError(
        f"not a calibration{why}", hint="expected method, the parameters, n and events", code="calibration.invalid"
    )


def all_or_none(fitted: Sequence[Calibration | Uncalibrated | None]) -> tuple[Calibration, ...] | None:
    """Return the calibrations of all folds, or None if one fold has none.

    Calibrated and uncalibrated scores must not stand in one column.
    """
    calibrations = tuple(item for item in fitted if isinstance(item, Calibration))
    return calibrations if calibrations and len(calibrations) == len(fitted) else None


def needs_estimate(calibrator: Calibrator | None) -> bool:
    """Return whether a calibrator is for distances of an estimate from a cut-off only."""
    return bool(getattr(calibrator, "needs_estimate", False))


def _name(calibrator: Calibrator) -> str:
    return installed().registry.name_of_instance("calibrator", calibrator)


def _bad_fit(method: str, what: str) -> EchokitError:
    return EchokitError(
        f"the calibrator {method!r} returned {what}",
        hint="fit returns a mapping of numbers, texts and lists, or echokit.Uncalibrated(reason)",
        code="calibrator.bad_fit",
    )


def _problem(probability: npt.NDArray[Any], score: Numbers) -> str | None:
    """Say what is wrong with the probabilities of some scores."""
    if probability.shape != score.shape or probability.dtype != np.float64:
        return f"gave {probability.dtype} {probability.shape} for {len(score)} scores, not one float64 for each"
    if not np.isfinite(probability).all():
        return "gave a probability that is not finite"
    if not ((probability >= 0) & (probability <= 1)).all():
        return f"gave probabilities from {probability.min():g} to {probability.max():g}, not from 0 to 1"
    if (np.diff(probability[np.argsort(score, kind="stable")]) < -ROUNDING).any():
        return "changes the ranking: a higher score has a lower probability"
    return None
