"""Root mean squared error."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from echokit.evaluate.estimates import EstimateMetric, Floats
from echokit.evaluate.scores import weighted_mean


class Rmse(EstimateMetric):
    """Root mean squared error of the estimate, in the unit of the target; lower is better."""

    metric: ClassVar[str] = "rmse"
    definition: ClassVar[str] = (
        "square root of the mean squared difference between estimate and truth (n in the denominator); lower is better"
    )

    def formula(self, target: npt.NDArray[Any], prediction: Floats, weights: npt.NDArray[np.number]) -> Floats:
        """Weighted root mean squared error: (B,) float64."""
        return np.sqrt(weighted_mean((prediction - target) ** 2, weights))
