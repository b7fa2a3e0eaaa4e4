"""Define objectives: the loss, and the score that is computed from the outputs of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from echokit.training.calibrators.calibration import Calibrator

HALF = 0.5
"""The threshold of a score, fixed before any data is seen; an objective may have another one."""


class Objective(ABC):
    """An objective of one fold, created by a component from the training targets.

    A subclass gives ``loss`` and ``score``, and the attributes that differ. A dataclass needs ``kw_only=True``, as the
    attributes have defaults.

    Attributes:
        outputs: Number of outputs of the model for a clip.
        probability: Whether ``score`` is a probability of the positive class.
        threshold: Score at and above which a case is classified as positive.
        initial_bias: (outputs,) initial values of the head's bias; None for those of the model.
        calibrator: Fits a probability to the scores of the validation patients; None leaves the score as it is.
        bounded: Whether a score is always between 0 and 1 although it is no probability.
    """

    outputs: int = 1
    probability: bool = False
    threshold: float = HALF
    initial_bias: tuple[float, ...] | None = None
    calibrator: Calibrator | None = None
    bounded: bool = False

    @abstractmethod
    def loss(self, outputs: Tensor, y_true: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the losses and the sum of the weights, as scalars.

        They are two sums rather than a mean, so that processes and accumulation do not change the loss.

        Args:
            outputs: (B, outputs) float32.
            y_true: (B,) int64.
            value: (B,) float32.
        """

    @abstractmethod
    def score(self, outputs: Tensor) -> Tensor:
        """Compute scores (B,) float32 from outputs; higher means more likely positive."""

    def predict(self, outputs: Tensor) -> Tensor | None:
        """Compute estimates (B,) in the unit of ``value``; None if there are none."""
        return None
