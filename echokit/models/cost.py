"""Count the parameters and multiply-adds of a model."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from echokit.models.input_shape import InputShape


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """Count trainable parameters and batch-norm statistics."""
    trainable = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    running = ("running_mean", "running_var")
    statistics = sum(buffer.numel() for name, buffer in module.named_buffers() if name.endswith(running))
    return trainable, statistics


def multiply_adds(model: nn.Module, shapes: Mapping[str, InputShape]) -> int:
    """Count multiply-adds of convolutions and matrix products for one clip.

    The pass runs on shapes alone (the meta device); nothing is computed and the model does not change.

    Args:
        model: An `EchoModel`.
        shapes: Of the streams of one clip.
    """
    batch = 2  # batch norm in training mode rejects a single value
    streams = {
        name: torch.empty(batch, s.channels, s.frames, s.height, s.width, device="meta") for name, s in shapes.items()
    }
    valid = {name: torch.empty(batch, s.frames, dtype=torch.bool, device="meta") for name, s in shapes.items()}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        functional_call(model, meta_state(model), (streams, valid))
    return int(counter.get_total_flops()) // (2 * batch)


def meta_state(model: nn.Module) -> dict[str, Tensor]:
    """Return a model's whole state on the meta device, for ``functional_call``.

    More than its ``state_dict``: it has also buffers that are not saved (index tables of windowed transformers).
    """
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: torch.empty_like(tensor, device="meta") for name, tensor in state.items()}
