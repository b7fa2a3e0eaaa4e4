"""The optimizer and its state as named tensors, so that no pickle is needed to keep it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from echokit.errors import EchokitError
from echokit.training.by_name import optimizer_maker
from echokit.training.layers import layer_scales
from echokit.training.parts import in_part
from echokit.training.settings import OptimizerSettings

_GROUP = "group "  # no parameter's name has a space
_FUSED_ON_CPU = ("adam", "adamw", "sgd", "adagrad")


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


def build_optimizer(
    parameters: Mapping[str, nn.Parameter], settings: OptimizerSettings, layer_decay: float | None = None
) -> torch.optim.Optimizer:
    """Make an optimizer of torch or timm; where torch has a fused form, that: one pass over the memory of all weights.

    Args:
        parameters: What is trained, by name.
        settings: Which optimizer, and its parameters.
        layer_decay: Factor of the rate from one layer to the one below it. Each group has its ``lr_scale``.

    Raises:
        EchokitError: The library refuses the parameters.
    """
    maker = optimizer_maker(settings.use)
    takes = inspect.signature(maker).parameters
    options = {"lr": settings.lr, **settings.options}
    if "weight_decay" in takes:
        options["weight_decay"] = settings.weight_decay
    elif settings.weight_decay:
        raise EchokitError(f"{settings.use} has no weight decay", hint="write weight_decay: 0", where="train.optimizer")
    if "fused" in takes and settings.use in _FUSED_ON_CPU:
        options["fused"] = True
    try:
        optimizer: torch.optim.Optimizer = maker(_groups(parameters, layer_decay), **options)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise EchokitError(
            f"the optimizer {settings.use} refuses its parameters: {error}", where="train.optimizer"
        ) from error
    return optimizer


def _groups(parameters: Mapping[str, nn.Parameter], layer_decay: float | None) -> list[dict[str, Any]]:
    if layer_decay is None:
        return [{"params": list(parameters.values()), "lr_scale": 1.0}]
    groups: dict[float, list[nn.Parameter]] = {}
    for name, scale in layer_scales(list(parameters), layer_decay).items():
        groups.setdefault(scale, []).append(parameters[name])
    return [{"params": group, "lr_scale": scale} for scale, group in groups.items()]


def state_tensors(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The tensors of the optimizer's state as ``parameter:quantity``; empty before its first step."""
    return {label: value for label, value in _states(optimizer, parameters) if isinstance(value, Tensor)}


def state_numbers(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> dict[str, Any]:
    """What else the state holds, as JSON: plain numbers of parameters, and of groups (where some count their steps).

    Raises:
        EchokitError: It holds something that is neither tensor nor plain data, so that it can not be resumed.
    """
    numbers = {label: value for label, value in _states(optimizer, parameters) if not isinstance(value, Tensor)}
    groups = [{k: v for k, v in group.items() if _is_plain(v)} for group in optimizer.param_groups]
    for label, value in numbers.items():
        if not _is_plain(value):
            raise EchokitError(
                f"the state of {type(optimizer).__name__} can not be kept: {label} is a {type(value).__name__}",
                hint="use another optimizer",
                where="train.optimizer",
            )
    return {"parameters": numbers, "groups": groups}


def restore_state(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
    numbers: Mapping[str, Any],
) -> None:
    """Put back what `state_tensors` and `state_numbers` gave, in the device and memory format of each parameter.

    Raises:
        KeyError: A tensor belongs to no parameter.
    """
    optimizer.state.clear()
    for label, value in {**numbers["parameters"], **tensors}.items():
        name, _, key = label.rpartition(":")
        if name.startswith(_GROUP):
            optimizer.param_groups[int(name.removeprefix(_GROUP))][key] = value
            continue
        parameter = parameters[name]
        if isinstance(value, Tensor):
            # The fused kernels walk parameter and state side by side, so both must lie in memory the same way.
            like = parameter.detach() if value.shape == parameter.shape else _placed(value, parameter, optimizer)
            value = torch.empty_like(like, dtype=value.dtype).copy_(value)
        optimizer.state[parameter][key] = value
    for group, plain in zip(optimizer.param_groups, numbers["groups"], strict=True):
        group.update(plain)


def _placed(value: Tensor, parameter: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
    """A count of steps stays on the CPU, as torch keeps it, unless kernels read it; all else is on the device."""
    read_there = optimizer.defaults.get("fused") or optimizer.defaults.get("capturable")
    return value if value.ndim == 0 and not read_there else value.to(parameter.device)


def _states(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> Iterator[tuple[str, Any]]:
    for name, parameter in parameters.items():
        for key, value in optimizer.state[parameter].items():
            yield f"{name}:{key}", value
    for number, group in enumerate(optimizer.param_groups):
        for key, value in group.items():
            if isinstance(value, Tensor):  # timm's count their steps there
                yield f"{_GROUP}{number}:{key}", value


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)
