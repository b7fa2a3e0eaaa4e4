"""Compute the losses and scores of the regression objectives with torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn import functional

from echokit.training.objectives.classification import cross_entropies, filled
from echokit.training.objectives.objective import Objective

if TYPE_CHECKING:
    from echokit.training.calibrators.calibration import Calibrator

Loss = Literal["mse", "l1", "huber"]


def regression_losses(estimate: Tensor, value: Tensor, loss: Loss, delta: float) -> Tensor:
    """Compute (B,) losses of estimates (B,) of values (B,), as in torch."""
    if loss == "mse":
        return functional.mse_loss(estimate, value, reduction="none")
    if loss == "l1":
        return functional.l1_loss(estimate, value, reduction="none")
    return functional.huber_loss(estimate, value, reduction="none", delta=delta)


@dataclass(kw_only=True)
class ValueRegression(Objective):
    """Regression of the value; see `training.objectives.ef_regression`.

    Attributes:
        outputs: 1.
        probability: False: the score is a distance from the cut-off in the unit of the value.
        threshold: 0: the estimate equals the cut-off.
        below: The cut-off.
        kind: Name of the loss.
        delta: Error at which the Huber loss becomes linear.
        initial_bias: The mean of the training values.
        calibrator: Fits a probability to the scores of the validation patients, or None.
    """

    below: float
    kind: Loss
    delta: float
    initial_bias: tuple[float, ...]
    calibrator: Calibrator | None
    outputs: int = 1
    probability: bool = False
    threshold: float = 0.0

    def loss(self, outputs: Tensor, y_true: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the sum of the losses and the number of cases.

        Args:
            outputs: (B, 1) float32.
            y_true: (B,) int64; not used.
            value: (B,) float32.
        """
        losses = regression_losses(self.predict(outputs), value, self.kind, self.delta)
        return losses.sum(), losses.new_full((), len(losses))

    def score(self, outputs: Tensor) -> Tensor:
        """Compute (B,) float32 distances of the estimate below the cut-off."""
        return self.below - self.predict(outputs)

    def predict(self, outputs: Tensor) -> Tensor:
        """Compute estimates (B,) float32 in the unit of the values."""
        return outputs.float()[:, 0]


@dataclass(kw_only=True)
class ClassAndValue(Objective):
    """Logit of class 1 and value; see `training.objectives.multi_task`.

    Attributes:
        outputs: 2.
        probability: True: the score is without the shift of the class weights.
        class_weights: Weights of class 0 and class 1; their mean over the training cases is 1.
        shift: Subtracted from the logit before the score.
        kind: Name of the loss of the value.
        delta: Error at which the Huber loss becomes linear.
        classification: Weight of the cross entropy.
        regression: Weight of the loss of the value, in the unit of that loss.
        initial_bias: 0 and the mean of the training values.
        calibrator: Fits a probability to the scores of the validation patients, or None.
    """

    class_weights: tuple[float, float]
    shift: float
    kind: Loss
    delta: float
    classification: float
    regression: float
    initial_bias: tuple[float, ...]
    calibrator: Calibrator | None
    outputs: int = 2
    probability: bool = True

    def loss(self, outputs: Tensor, y_true: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the weighted sum of both losses and the number of cases.

        Args:
            outputs: (B, 2) float32.
            y_true: (B,) int64 of 0 and 1.
            value: (B,) float32.
        """
        logits = functional.pad(outputs.float()[:, :1], (1, 0))
        weights = filled(self.class_weights, outputs.device)
        classes = cross_entropies(logits, y_true, weights)
        values = regression_losses(self.predict(outputs), value, self.kind, self.delta)
        total = self.classification * classes.sum() + self.regression * values.sum()
        return total, values.new_full((), len(values))

    def score(self, outputs: Tensor) -> Tensor:
        """Compute the probability of class 1, (B,) float32."""
        return torch.sigmoid(outputs.float()[:, 0] - self.shift)

    def predict(self, outputs: Tensor) -> Tensor:
        """Compute estimates (B,) float32 in the unit of the values."""
        return outputs.float()[:, 1]
