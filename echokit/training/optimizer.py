"""The optimizer and its state as named tensors, so that no pickle is needed to keep it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from echokit.errors import EchokitError
from echokit.training.parts import in_part
from echokit.training.settings import OptimizerSettings


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters by name that are not frozen.

    Raises:
        EchokitError: All are frozen.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not trained:
        raise EchokitError("every weight of the model is frozen: there is nothing to train")
    return trained


def conv_kernels(model: nn.Module) -> list[Tensor]:
    """Kernels (not biases) of the convolutions that are trained."""
    convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    weights = (m.weight for m in model.modules() if isinstance(m, convolutions))
    return [w for w in weights if w.requires_grad]


def sparse_weights(model: nn.Module, parts: Sequence[str]) -> list[Tensor]:
    """Weights (tensors of two or more dimensions: no biases, no norms) of some parts that are trained."""
    named = ((name, p) for name, p in model.named_parameters() if p.requires_grad and p.ndim > 1)
    return [p for name, p in named if any(in_part(name, part) for part in parts)]


def build_optimizer(parameters: Mapping[str, nn.Parameter], settings: OptimizerSettings) -> torch.optim.Optimizer:
    """Make the fused form of the optimizer: one pass over the memory of all weights."""
    kind: Any = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.use]
    optimizer: torch.optim.Optimizer = kind(
        list(parameters.values()),
        lr=settings.lr,
        betas=settings.betas,
        eps=settings.eps,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    return optimizer


def state_tensors(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The optimizer's state as ``parameter:quantity``; empty before its first step."""
    return {f"{name}:{key}": value for name, p in parameters.items() for key, value in optimizer.state[p].items()}


def restore_state(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor]
) -> None:
    """Put back what `state_tensors` gave, in the device and memory format of each parameter.

    Raises:
        KeyError: A tensor belongs to no parameter.
    """
    optimizer.state.clear()
    for label, tensor in tensors.items():
        name, _, key = label.rpartition(":")
        parameter = parameters[name]
        # The fused kernels walk parameter and state side by side, so both must lie in memory the same way.
        like = parameter.detach() if tensor.shape == parameter.shape else tensor.to(parameter.device)
        optimizer.state[parameter][key] = torch.empty_like(like, dtype=tensor.dtype).copy_(tensor)
