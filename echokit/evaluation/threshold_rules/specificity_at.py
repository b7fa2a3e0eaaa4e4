"""A threshold with a specificity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from echokit.evaluation.threshold_rules.rates import ROUNDING, Share, rates


class SpecificityAt:
    """Take the lowest threshold with at least a specificity.

    `specificity_at_0.90` is short for `{use: specificity_at, specificity: 0.9}`.

    Args:
        specificity: Smallest share of the negative validation patients that are classified as negative.
    """

    def __init__(self, *, specificity: Share) -> None:
        self.specificity = specificity

    def __call__(self, y: npt.NDArray[np.int64], score: npt.NDArray[np.float64]) -> float:
        """Choose a threshold among the scores.

        Raises:
            ValueError: A class is missing, or no score as threshold reaches the specificity.
        """
        thresholds, _, specificity = rates(y, score)
        reached = np.flatnonzero(specificity >= self.specificity - ROUNDING)
        if not len(reached):
            written = f"{self.specificity:.2f}"  # 0.90, as in a recipe, rather than 0.9
            exact = self.specificity < 1 and float(written) == self.specificity
            raise ValueError(f"no threshold has a specificity of {written if exact else f'{self.specificity:g}'}")
        return float(thresholds[reached[-1]])
