"""A threshold with a sensitivity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from echokit.evaluation.threshold_rules.rates import ROUNDING, Share, rates


class SensitivityAt:
    """Take the highest threshold with at least a sensitivity.

    `sensitivity_at_0.90` is short for `{use: sensitivity_at, sensitivity: 0.9}`.

    Args:
        sensitivity: Smallest share of the positive validation patients that are classified as positive.
    """

    def __init__(self, *, sensitivity: Share) -> None:
        self.sensitivity = sensitivity

    def __call__(self, y: npt.NDArray[np.int64], score: npt.NDArray[np.float64]) -> float:
        """Choose a threshold among the scores.

        Raises:
            ValueError: A class is missing.
        """
        thresholds, sensitivity, _ = rates(y, score)
        return float(thresholds[np.argmax(sensitivity >= self.sensitivity - ROUNDING)])
