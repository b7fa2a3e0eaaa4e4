"""Objective: what is learned, and how a model's output becomes a score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

    from echokit.objectives.calibration import Calibration, Uncalibrated

    Calibrator = Callable[
        [npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.float64]], Calibration | Uncalibrated
    ]

HALF = 0.5
"""The threshold of a score, fixed before any data is seen, unless the objective has another."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What is to be learned, one entry a case.

    Attributes:
        y_true: (n,) int64, 1 for the positive class.
        value: (n,) float64 of the quantity that the classes were cut from (EF in percent), NaN where there is none.
        below: The cut-off, where the positive class lies below it; else None.
        quantity: Whether ``value`` is a quantity, and not the classes themselves.
    """

    y_true: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    below: float | None = None
    quantity: bool = False


class Objective(Protocol):
    """Made by an objective component from the training targets.

    Three attributes are optional, read with `threshold_of`, `initial_bias_of` and `calibrator_of`: ``threshold``, the
    score at and above which a case is called positive; ``initial_bias``, (outputs,) floats that the head starts at;
    ``calibrator``, which fits a probability to the scores of the validation patients.

    Attributes:
        outputs: Numbers that the model gives for a clip.
        probability: Whether ``score`` is a probability of the positive class.
    """

    outputs: int
    probability: bool

    def loss(self, outputs: Tensor, y_true: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the losses and the sum of the weights, both scalar tensors.

        Two sums rather than a mean, so that ranks and accumulation do not change the loss.

        Args:
            outputs: (B, outputs) float32.
            y_true: (B,) int64.
            value: (B,) float32.
        """
        ...

    def score(self, outputs: Tensor) -> Tensor:
        """(B, outputs) float32 -> (B,) float32; higher means more likely positive."""
        ...

    def predict(self, outputs: Tensor) -> Tensor | None:
        """(B, outputs) -> (B,) in the unit of ``value``, or None where the objective does not estimate it."""
        ...


def threshold_of(objective: Objective) -> float:
    """The score at and above which a case is called positive: one half unless the objective says otherwise."""
    return float(getattr(objective, "threshold", HALF))


def initial_bias_of(objective: Objective) -> tuple[float, ...] | None:
    """What the head's bias starts at, or None where the model's own start is fine."""
    return getattr(objective, "initial_bias", None)


def calibrator_of(objective: Objective) -> Calibrator | None:
    """What fits a probability to (score, y_true, value) of the validation patients, or None."""
    return getattr(objective, "calibrator", None)
