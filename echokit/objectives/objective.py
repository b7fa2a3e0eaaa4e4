"""Objective: what is learned, and how a model's output becomes a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Targets:
    """What is to be learned, one entry a case.

    Attributes:
        y_true: (n,) int64, 1 for the positive class.
        value: (n,) float64 of the quantity that the classes were cut from (EF in percent), NaN where there is none.
        below: The cut-off: the positive class lies below it; None where the classes are given as such.
    """

    y_true: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    below: float | None = None


class Objective(Protocol):
    """Made by an objective component from the training targets.

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
