"""What a model learns: one target for each case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Targets:
    """Targets of the cases.

    Attributes:
        y_true: (n,) int64, 1 for the positive class.
        value: (n,) float64 of the quantity behind the classes (EF in percent); NaN if it is missing.
        below: The cut-off if the positive class lies below it; otherwise None.
        quantity: Whether ``value`` is a quantity, and not the classes themselves.
    """

    y_true: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    below: float | None = None
    quantity: bool = False
