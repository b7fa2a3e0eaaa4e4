"""Compute the losses and scores of the classification objectives with torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from echokit.training.objectives.objective import Objective

if TYPE_CHECKING:
    from echokit.training.calibrators.calibration import Calibrator


@dataclass(kw_only=True)
class WeightedCrossEntropy(Objective):
    """Weighted softmax cross entropy of two classes.

    See `echokit.training.objectives.cross_entropy.CrossEntropy`.

    Attributes:
        outputs: 1 or 2 logits; a single logit is that of class 1, and that of class 0 is 0.
        probability: Whether ``score`` is a probability of class 1.
        weights: Weights of class 0 and class 1.
        label_smoothing: Fraction of the target that both classes share, as in torch.
        focal: Exponent of the focal factor; 0 for none.
        shift: Subtracted from the logit before the score.
        calibrator: Fits a probability to the scores of the validation patients, or None.
        bounded: True: a score is between 0 and 1, be it a probability or not.
    """

    outputs: int
    probability: bool
    weights: tuple[float, float]
    label_smoothing: float
    focal: float
    shift: float
    calibrator: Calibrator | None = None
    bounded: bool = True

    def loss(self, outputs: Tensor, y_true: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the weighted sum of the losses and the sum of the weights.

        Their ratio is torch's mean.

        Args:
            outputs: (B, outputs) float32.
            y_true: (B,) int64 of 0 and 1.
            value: (B,) float32; not used.
        """
        weights = filled(self.weights, outputs.device)
        losses = cross_entropies(self._logits(outputs), y_true, weights, self.label_smoothing, self.focal)
        return losses.sum(), weights[y_true].sum()

    def score(self, outputs: Tensor) -> Tensor:
        """Compute scores (B,) float32 in [0, 1]: softmax of class 1 without the shift."""
        logits = self._logits(outputs)
        return torch.sigmoid(logits[:, 1] - logits[:, 0] - self.shift)

    def _logits(self, outputs: Tensor) -> Tensor:
        logits = outputs.float()
        return logits if self.outputs == 2 else functional.pad(logits, (1, 0))


def filled(numbers: Sequence[float], device: torch.device) -> Tensor:
    """Fill a tensor (n,) float32 on the device.

    A copy to the device would wait for the forward pass.
    """
    return torch.stack([torch.full((), number, dtype=torch.float32, device=device) for number in numbers])


def cross_entropies(
    logits: Tensor, y_true: Tensor, weights: Tensor, label_smoothing: float = 0.0, focal: float = 0.0
) -> Tensor:
    """Compute (B,) weighted cross entropies from (B, 2) logits and (B,) classes.

    Args:
        logits: (B, 2) float32.
        y_true: (B,) int64 of 0 and 1.
        weights: (2,) float32.
        label_smoothing: As in torch.
        focal: Losses are multiplied by (1 - p) ** focal, where p is the probability of the true class.
    """
    losses = functional.cross_entropy(logits, y_true, weights, reduction="none", label_smoothing=label_smoothing)
    if focal:
        other = functional.log_softmax(logits, 1).gather(1, (1 - y_true)[:, None])[:, 0]
        losses = losses * torch.exp(focal * other)  # 1 - p, from its logarithm: exact if p is nearly 1
    return losses
