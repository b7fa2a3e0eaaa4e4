"""Split-conformal intervals around estimates."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def conformal_half_width(estimates: Iterable[float], truths: Iterable[float], level: float) -> float | None:
    """Compute a split-conformal half width: a quantile of absolute errors.

    Source: Lei et al., Distribution-free predictive inference for regression, JASA 2018.

    Args:
        estimates, truths: One number for each patient; the model was not trained on these patients.
        level: Share of new, exchangeable patients that the interval covers.

    Returns:
        None if there are too few patients for the level.
    """
    errors = np.sort(np.abs(np.asarray(list(estimates), np.float64) - np.asarray(list(truths), np.float64)))
    rank = int(np.ceil((len(errors) + 1) * level))
    return float(errors[rank - 1]) if 0 < rank <= len(errors) else None
