"""Calibration of an estimate by a normal model of its error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from echokit.training.calibrators.calibration import Numbers, Uncalibrated, ValidationScores
from echokit.training.calibrators.line import WRONG_DIRECTION, line

PATIENTS = 20
"""Fewest validation patients.

Simulated with EchoNet's distribution of EF and a poor model (error of 12 points): with 20 patients, the 95th percentile
of the held-out log loss is 0.55; with 10 patients it is 0.63, that of predicting the prevalence.
"""


class Normal:
    """Linear model of the true value by the estimate, with normal errors.

    It needs 20 validation patients. The score is the distance of the estimate below the cut-off. Unlike Platt's model
    it learns from the distance of each value to the cut-off, so it needs fewer patients.
    """

    definition: ClassVar[str] = "a normal model of the error"
    needs_estimate: ClassVar[bool] = True

    def fit(self, patients: ValidationScores) -> dict[str, Any] | Uncalibrated:
        """Fit the line by least squares; divide it by the error."""
        score, n = patients.score, len(patients.score)
        if patients.below is None or patients.bounded:
            return Uncalibrated("the score is no distance of an estimate below a cut-off")
        if n < PATIENTS:
            return Uncalibrated(f"the validation set has {n} patients, and a calibration needs {PATIENTS}")
        truth = patients.below - patients.value
        if not np.ptp(score) > 0:
            return Uncalibrated("every validation patient has the same estimate")
        slope = float(np.mean((score - score.mean()) * (truth - truth.mean())) / score.var())
        intercept = float(truth.mean() - slope * score.mean())
        error = float(np.sqrt(np.sum((truth - intercept - slope * score) ** 2) / (n - 2)))
        if not slope > 0:
            return WRONG_DIRECTION
        if not error > 1e-9 * np.ptp(truth):  # rounding alone gives about 1e-15
            return Uncalibrated("the estimates of all validation patients are exact, so the error has no variance")
        return {"of": "score", "intercept": intercept / error, "slope": slope / error}

    def apply(self, fitted: Mapping[str, Any], score: Numbers) -> Numbers:
        """Compute the normal distribution function of the line."""
        from scipy.special import ndtr

        probability: Numbers = ndtr(line(fitted, score))
        return probability
