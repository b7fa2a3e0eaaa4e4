"""A straight line under a link function, which both built-in calibrators fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from echokit.training.calibrators.calibration import Numbers, Uncalibrated

WRONG_DIRECTION = Uncalibrated("in the validation set the score is not higher for the positive class")


def line(fitted: Mapping[str, Any], score: Numbers) -> Numbers:
    """Compute ``intercept + slope * x`` for (n,) scores.

    Args:
        fitted: ``of``, which is ``score`` or ``logit``: x is the score, or the log odds of one between 0 and 1;
            ``intercept``; ``slope``, above 0, so the ranking does not change.
        score: (n,) float64.

    Raises:
        ValueError: The parameters are damaged.
    """
    of, intercept, slope = (fitted[key] for key in ("of", "intercept", "slope"))
    if of not in ("score", "logit") or not (0 < slope < math.inf and math.isfinite(intercept)):
        raise ValueError(f"of {of!r}, intercept {intercept!r}, slope {slope!r}")
    z: Numbers = intercept + slope * (log_odds(score) if of == "logit" else score)
    return z


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
