"""Platt's calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from echokit.training.calibrators.calibration import Numbers, Uncalibrated, ValidationScores
from echokit.training.calibrators.line import WRONG_DIRECTION, line, log_odds

EACH_CLASS = 10
"""Fewest validation patients of each class: about 34 patients, with a held-out log loss of 0.52."""


class Platt:
    """Logistic model of the class by the score.

    If a score is always between 0 and 1, its log odds are taken. The model needs 10 validation patients of each class.
    Source: Platt, Probabilistic outputs for support vector machines, 1999.
    """

    definition: ClassVar[str] = "Platt's logistic model"

    def fit(self, patients: ValidationScores) -> dict[str, Any] | Uncalibrated:
        """Maximise the likelihood of Platt's softened classes.

        They keep the slope finite if the score separates the classes completely.
        """
        from scipy.optimize import minimize
        from scipy.special import expit

        score, y_true = patients.score, patients.y_true
        n, events = len(y_true), int(y_true.sum())
        if min(events, n - events) < EACH_CLASS:
            return Uncalibrated(
                f"the validation set has {events} positive and {n - events} negative patients, and a calibration needs "
                f"{EACH_CLASS} of each"
            )
        x = log_odds(score) if patients.bounded else score
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
            return WRONG_DIRECTION
        return {
            "of": "logit" if patients.bounded else "score",
            "intercept": float(intercept - slope * centre / scale),
            "slope": float(slope / scale),
        }

    def apply(self, fitted: Mapping[str, Any], score: Numbers) -> Numbers:
        """Compute the logistic function of the line."""
        from scipy.special import expit

        probability: Numbers = expit(line(fitted, score))
        return probability
