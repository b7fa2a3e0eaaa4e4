"""Sensitivity and specificity at every score as threshold."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from echokit.evaluation.statistics.ranking import operating_points

Share = Annotated[float, Field(ge=0, le=1)]
ROUNDING = 1e-12
"""Subtracted from a wanted share: 0.9 of 10 is 9, whatever the last bit is."""


def rates(
    y: npt.NDArray[np.int64], score: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return scores, highest first, and the sensitivity and specificity at each.

    Raises:
        ValueError: A class is missing.
    """
    positives, negatives = int((y == 1).sum()), int((y == 0).sum())
    if not positives or not negatives:
        raise ValueError("choosing a threshold needs patients of both classes")
    thresholds, tp, fp = operating_points(y, score)
    return thresholds, tp / positives, 1 - fp / negatives
