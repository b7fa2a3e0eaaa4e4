"""Parts of a model: the head, the backbone, or a stage of it; what learns, and what holds still."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from echokit.errors import EchokitError, did_you_mean
from echokit.training.settings import BatchNormRule

_HEAD = ("head", "dropout")  # of an `EchoModel`


def in_part(name: str, part: str) -> bool:
    """Whether a parameter or module of this name belongs to a part.

    Args:
        name: Dotted, as ``named_parameters`` and ``named_modules`` give it.
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
            known = ["head", "backbone", *_stages(names)]
            raise EchokitError(
                f"the model has no part {part!r}",
                hint=did_you_mean(part, known) or f"parts are {', '.join(known[:12])}",
                where=where,
            )


def set_trained(model: nn.Module, parts: Sequence[str], bn: BatchNormRule) -> None:
    """Let the parameters of some parts learn, and no others.

    Args:
        model: Changed in place.
        parts: What learns.
        bn: Unless it is ``train``, the scale and shift of batch norms do not learn.
    """
    fixed = {id(p) for m in model.modules() if isinstance(m, _BatchNorm) and bn != "train" for p in m.parameters()}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(in_part(name, part) for part in parts) and id(parameter) not in fixed)


def set_mode(model: nn.Module, parts: Sequence[str], bn: BatchNormRule) -> None:
    """Put what learns into training mode and all else into evaluation mode: no dropout, no moving batch norm.

    Args:
        model: Changed in place.
        parts: What learns.
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
    """Evaluation mode inside the block; every module's own mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def head_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of the head, by name."""
    return {name: tensor for name, tensor in model.state_dict().items() if in_part(name, "head")}


def _stages(names: Sequence[str]) -> list[str]:
    """What a user may name inside a backbone: ``stem``, ``stages.0``, ... without the path to the backbone."""
    found: dict[str, None] = {}
    for name in names:
        steps = name.split(".")
        if steps[:2] == ["fused", "backbones"]:
            steps = steps[3:]
        if len(steps) > 1 and steps[0] not in _HEAD:
            found[".".join(steps[:2]) if steps[1].isdigit() else steps[0]] = None
    return list(found)
