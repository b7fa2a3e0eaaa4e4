"""The torch module behind the fusions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from echokit.errors import EchokitError


class Concatenate(nn.Module):
    """Features of every stream's backbone, side by side in the order given.

    Args:
        backbones: One a stream, each with an int ``features``.
        dropout: Rate of fused features to drop before the head; only told, not applied here.

    Attributes:
        streams: Names of the streams that are read.
        features: Sum over the backbones.
        dropout: As given.
    """

    def __init__(self, backbones: Mapping[str, nn.Module], dropout: float) -> None:
        super().__init__()
        self.backbones = nn.ModuleDict(backbones)
        self.streams = tuple(backbones)
        self.features = sum(_width(backbone) for backbone in backbones.values())
        self.dropout = dropout

    def forward(self, streams: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([self.backbones[name](streams[name]) for name in self.streams], dim=1)


def _width(backbone: nn.Module) -> int:
    features = getattr(backbone, "features", None)
    if not isinstance(features, int):
        raise EchokitError(
            f"the backbone {type(backbone).__name__} does not say how wide its answer is",
            hint="set the attribute `features` to an int",
        )
    return features
