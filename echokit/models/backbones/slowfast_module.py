"""Torch module of SlowFast."""

from __future__ import annotations

from torch import Tensor, nn


class SlowFastModule(nn.Module):
    """Feed all frames to the fast pathway, every ``alpha``-th to the slow one.

    Args:
        paths: Called with [slow, fast] clips.
        alpha: Temporal stride of the slow pathway.
    """

    def __init__(self, paths: nn.Module, alpha: int) -> None:
        super().__init__()
        self.paths = paths
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.paths([x[:, :, :: self.alpha], x])
        return out
