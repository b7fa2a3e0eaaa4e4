"""Torch module of the fusions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from echokit.errors import EchokitError


class Concatenate(nn.Module):
    """Concatenate the features of every stream's backbone, in the order given.

    Args:
        backbones: One a stream, each with an int ``features``.
        dropout: Rate of fused features to drop before the head; `EchoModel` applies it.

    Attributes:
        streams: Names of the streams that it reads.
        features: Sum over the backbones.
        dropout: As given.
    """

    def __init__(self, backbones: Mapping[str, nn.Module], dropout: float) -> None:
        super().__init__()
        self.backbones = nn.ModuleDict(backbones)
        self.streams = tuple(backbones)
        self.features = sum(feature_width(backbone, "backbone") for backbone in backbones.values())
        self.dropout = dropout

    def forward(self, streams: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([self.backbones[name](streams[name]) for name in self.streams], dim=1)


def feature_width(module: nn.Module, kind: str) -> int:
    """Return the number of features of a module.

    Args:
        module: A backbone or a fusion with an int ``features``.
        kind: What it is, for the message.

    Raises:
        EchokitError: ``features`` is missing or no int.
    """
    features = getattr(module, "features", None)
    if not isinstance(features, int):
        raise EchokitError(
            f"the {kind} {type(module).__name__} does not declare its number of features",
            hint="set the attribute `features` to an int",
            code="model.no_features",
        )
    return features
