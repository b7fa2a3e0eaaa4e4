"""Mean absolute error."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from echokit.evaluate.estimates import EstimateMetric, Floats
from echokit.evaluate.scores import weighted_mean


class Mae(EstimateMetric):
    """Mean absolute error of the estimate, in the unit of the target; lower is better."""

    metric: ClassVar[str] = "mae"
    definition: ClassVar[str] = "mean absolute difference between estimate and truth; lower is better"

    def formula(self, target: npt.NDArray[Any], prediction: Floats, weights: npt.NDArray[np.number]) -> Floats:
        """Weighted mean absolute error: (B,) float64."""
        return weighted_mean(np.abs(prediction - target), weights)
