"""The torch module behind SlowFast."""

from __future__ import annotations

from torch import Tensor, nn


class SlowAndFast(nn.Module):
    """Give a network of two paths every frame for the fast and every few for the slow one.

    Args:
        paths: Called with [slow, fast] clips.
        alpha: Frames of the fast path for one of the slow path.
    """

    def __init__(self, paths: nn.Module, alpha: int) -> None:
        super().__init__()
        self.paths = paths
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.paths([x[:, :, :: self.alpha], x])
        return out
