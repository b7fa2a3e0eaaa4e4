"""Covariates: columns of a cohort as numbers, for control models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.errors import EchokitError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


def covariate_columns(cases: pd.DataFrame, columns: Sequence[str]) -> npt.NDArray[np.float64]:
    """Convert columns to (cases, features) float64; NaN for empty cells.

    Text becomes one column for each value.

    Raises:
        EchokitError: The cohort lacks a column.
    """
    import pandas as pd

    parts = []
    for column in columns:
        if column not in cases.columns:
            raise EchokitError(
                f"the cohort has no column {column!r}",
                hint=did_you_mean(column, [str(name) for name in cases.columns])
                or "name it in data.covariates, so that the table keeps it",
                where="controls.covariates",
                code="controls.no_column",
            )
        if pd.api.types.is_numeric_dtype(cases[column]):
            parts.append(cases[column].to_numpy(np.float64)[:, None])
        else:
            parts.append(pd.get_dummies(cases[column].astype(str)).to_numpy(np.float64))
    return np.concatenate(parts, axis=1)
