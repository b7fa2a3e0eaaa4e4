"""Define objectives: the loss, and the score that is computed from the outputs of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from echokit.training.objectives.calibration import Calibrator

HALF = 0.5
"""The threshold of a score, fixed before any data is seen; an objective may have another one."""


class Objective(Protocol):
    """An objective of one fold, created by a component from the training targets.

    Three attributes are optional, read with `threshold_of`, `initial_bias_of` and `calibrator_of`: ``threshold``, the
    score at and above which a case is classified as positive; ``initial_bias``, (outputs,) initial values of the head's
    bias; ``calibrator``, which fits a probability to the scores of the validation patients.

    Attributes:
        outputs: Number of outputs of the model for a clip.
        probability: Whether ``score`` is a probability of the positive class.
    """

    outputs: int
    probability: bool

    def loss(self, outputs: Tensor, y_true: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the losses and the sum of the weights, as scalars.

        They are two sums rather than a mean, so that processes and accumulation do not change the loss.

        Args:
            outputs: (B, outputs) float32.
            y_true: (B,) int64.
            value: (B,) float32.
        """
        ...

    def score(self, outputs: Tensor) -> Tensor:
        """Compute scores (B,) float32 from outputs; higher means more likely positive."""
        ...

    def predict(self, outputs: Tensor) -> Tensor | None:
        """Compute estimates (B,) in the unit of ``value``; None if there are none."""
        ...


def threshold_of(objective: Objective) -> float:
    """Return the score at and above which a case is classified as positive."""
    return float(getattr(objective, "threshold", HALF))


def initial_bias_of(objective: Objective) -> tuple[float, ...] | None:
    """Return the initial bias of the head, or None for that of the model."""
    return getattr(objective, "initial_bias", None)


def calibrator_of(objective: Objective) -> Calibrator | None:
    """Return the calibrator, or None if the objective has none."""
    return getattr(objective, "calibrator", None)
