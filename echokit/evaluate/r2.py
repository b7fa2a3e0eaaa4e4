"""Coefficient of determination."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from echokit.evaluate.estimates import EstimateMetric, Floats
from echokit.evaluate.scores import weighted_mean


class R2(EstimateMetric):
    """Share of the variance that the estimate explains: 1 - residual over total sum of squares.

    Not the squared correlation: it punishes bias and wrong scale, and can be negative. Undefined when all true
    values are equal.
    """

    metric: ClassVar[str] = "r2"
    definition: ClassVar[str] = (
        "1 - sum of squared errors / sum of squares around the mean of these patients; not a squared correlation"
    )
    unit: ClassVar[str] = ""
    least: ClassVar[int] = 2

    def formula(self, target: npt.NDArray[Any], prediction: Floats, weights: npt.NDArray[np.number]) -> Floats:
        """Weighted R2: (B,) float64, NaN where a weighting has one true value only."""
        shifted = target - target.mean()  # keeps the difference of the squares exact
        mean = weighted_mean(shifted, weights)
        total = weighted_mean(shifted**2, weights) - mean**2
        error = weighted_mean((prediction - target) ** 2, weights)
        value = np.full(len(total), np.nan)
        scale = float(np.square(shifted).max()) if len(shifted) else 0.0
        np.divide(total - error, total, out=value, where=total > 1e-14 * scale)
        return value
