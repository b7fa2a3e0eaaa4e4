"""Youden's index."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from echokit.evaluation.threshold_rules.rates import rates


class Youden:
    """Take the largest sensitivity + specificity - 1; on ties the highest threshold.

    Source: Youden, Index for rating diagnostic tests, Cancer, 1950.
    """

    def __call__(self, y: npt.NDArray[np.int64], score: npt.NDArray[np.float64]) -> float:
        """Choose a threshold among the scores.

        Raises:
            ValueError: A class is missing.
        """
        thresholds, sensitivity, specificity = rates(y, score)
        return float(thresholds[np.argmax(sensitivity + specificity)])
