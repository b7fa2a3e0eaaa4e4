"""Select parts of a model (head, backbone, stages of it) for training; freeze the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from echokit.errors import EchokitError, did_you_mean
from echokit.training.settings import BatchNormRule

_HEAD = ("head", "dropout")  # children of an `EchoModel`


def in_part(name: str, part: str) -> bool:
    """Return whether a parameter or module belongs to a part.

    Args:
        name: Dotted name from ``named_parameters`` or ``named_modules``.
        part: ``head``; ``backbone`` (all the rest); or dotted components that occur in the name
            (``stages.3`` in ``fused.backbones.video.stages.3.0.conv.weight``).
    """
    in_head = name.split(".")[0] in _HEAD
    if part in ("head", "backbone"):
        return in_head == (part == "head")
    return f".{part}." in f".{name}."


def require_parts(model: nn.Module, parts: Sequence[str], where: str) -> None:
    """Refuse a part that the model does not have.

    Raises:
        EchokitError: No parameter belongs to it.
    """
    names = [name for name, _ in model.named_parameters()]
    for part in parts:
        if not any(in_part(name, part) for name in names):
            known_parts = ["head", "backbone", *_stages(names)]
            raise EchokitError(
                f"the model has no part {part!r}",
                hint=did_you_mean(part, known_parts) or f"parts are {', '.join(known_parts[:12])}",
                where=where,
                code="model.no_part",
            )


def set_trained(model: nn.Module, parts: Sequence[str], bn: BatchNormRule) -> None:
    """Train the parameters of some parts, and freeze all others.

    Args:
        model: Changed in place.
        parts: The trained parts.
        bn: Unless it is ``train``, the scale and shift of batch norms are frozen.
    """
    fixed = {id(p) for m in model.modules() if isinstance(m, _BatchNorm) and bn != "train" for p in m.parameters()}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(in_part(name, part) for part in parts) and id(parameter) not in fixed)


def set_mode(model: nn.Module, parts: Sequence[str], bn: BatchNormRule) -> None:
    """Set the trained parts to training mode and all others to evaluation mode.

    Args:
        model: Changed in place.
        parts: The trained parts.
        bn: With ``frozen``, every batch norm is in evaluation mode.
    """
    names = [name for name, _ in model.named_parameters() if any(in_part(name, part) for part in parts)]
    for name, module in model.named_modules():
        holds = any(other.startswith(f"{name}." if name else "") for other in names)
        module.training = holds or any(in_part(name, part) for part in parts if name)
        if bn == "frozen" and isinstance(module, _BatchNorm):
            module.training = False


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Set the model to evaluation mode inside the block."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def head_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors of the head, by name."""
    return {name: tensor for name, tensor in model.state_dict().items() if in_part(name, "head")}


def _stages(names: Sequence[str]) -> list[str]:
    """List the parts inside a backbone: ``stem``, ``stages.0``, ..."""
    stages: dict[str, None] = {}
    for name in names:
        steps = name.split(".")
        if steps[:2] == ["fused", "backbones"]:
            steps = steps[3:]
        if len(steps) > 1 and steps[0] not in _HEAD:
            stages[".".join(steps[:2]) if steps[1].isdigit() else steps[0]] = None
    return list(stages)
