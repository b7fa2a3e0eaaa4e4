"""Build the optimizer; read and restore its state as named tensors, without pickle."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from echokit.errors import EchokitError
from echokit.training.model_parts import in_part
from echokit.training.named_settings import OptimizerSettings
from echokit.training.optimizer_catalog import optimizer_maker
from echokit.training.step.layer_decay import layer_scales

_GROUP = "group "  # no parameter's name has a space


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that are not frozen, by name.

    Raises:
        EchokitError: All are frozen.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not trained:
        raise EchokitError("every weight of the model is frozen: there is nothing to train", code="train.all_frozen")
    return trained


def conv_kernels(model: nn.Module) -> list[Tensor]:
    """Return the trained kernels of convolutions."""
    convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    weights = (m.weight for m in model.modules() if isinstance(m, convolutions))
    return [w for w in weights if w.requires_grad]


def sparse_weights(model: nn.Module, parts: Sequence[str]) -> list[Tensor]:
    """Return the trained weights of some parts, without biases and norms."""
    named = ((name, p) for name, p in model.named_parameters() if p.requires_grad and p.ndim > 1)
    return [p for name, p in named if any(in_part(name, part) for part in parts)]


def build_optimizer(
    parameters: Mapping[str, nn.Parameter], settings: OptimizerSettings, layer_decay: float | None = None
) -> torch.optim.Optimizer:
    """Create the optimizer that a recipe names.

    Args:
        parameters: The trained parameters, by name.
        settings: Name and parameters of the optimizer.
        layer_decay: Factor of the learning rate from one layer to the one below it. Each group has its ``lr_scale``.

    Raises:
        EchokitError: The optimizer rejects its parameters, or those that it is to train.
    """
    return make_optimizer(_groups(parameters, layer_decay), settings)


def make_optimizer(groups: Sequence[dict[str, Any]], settings: OptimizerSettings) -> torch.optim.Optimizer:
    """Create the optimizer of groups of parameters, each with its ``lr_scale``.

    Raises:
        EchokitError: The optimizer rejects its parameters, or does not keep the groups.
    """
    maker = _maker(settings)
    takes = inspect.signature(maker).parameters
    options: dict[str, Any] = {"lr": settings.lr}
    if "weight_decay" in takes:
        options["weight_decay"] = settings.weight_decay
    elif settings.weight_decay:
        raise EchokitError(
            f"{settings.use} has no weight decay",
            hint="write weight_decay: 0",
            where="train.optimizer",
            code="train.no_weight_decay",
        )
    expected = [dict(group) for group in groups]
    try:
        optimizer: torch.optim.Optimizer = maker(groups, **options)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise EchokitError(
            f"the optimizer {settings.use} rejects its parameters: {error}",
            where="train.optimizer",
            code="train.bad_optimizer",
        ) from error
    _check_contract(optimizer, expected, settings.use)
    return optimizer


def _maker(settings: OptimizerSettings) -> Callable[..., torch.optim.Optimizer]:
    """Return what makes the optimizer of groups, learning rate and weight decay."""
    component = settings.component
    if component is None:
        return functools.partial(optimizer_maker(settings.use), **settings.options)
    built: Callable[..., torch.optim.Optimizer] = component.build()
    return built


def _check_contract(optimizer: Any, groups: Sequence[Mapping[str, Any]], use: str) -> None:
    """Check that a plugin's optimizer has its groups, in their order, and a step.

    Raises:
        EchokitError: No learning rate could be set, or no step done.
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise _bad(use, f"is a {type(optimizer).__name__}", "return a torch.optim.Optimizer")
    has = [(*map(id, group["params"]), group.get("lr_scale"), "lr" in group) for group in optimizer.param_groups]
    if has != [(*map(id, group["params"]), group["lr_scale"], True) for group in groups]:
        hint = "pass the groups on as they are; each needs its params, lr and lr_scale"
        raise _bad(use, "does not keep the groups of parameters that it gets", hint)
    try:
        inspect.signature(optimizer.step).bind()
    except TypeError as error:
        raise _bad(use, f"cannot be called as step(): {error}", "give closure the default None") from None


def _bad(use: str, problem: str, hint: str) -> EchokitError:
    return EchokitError(
        f"the optimizer {use} {problem}", hint=hint, where="train.optimizer", code="train.bad_optimizer"
    )


def _groups(parameters: Mapping[str, nn.Parameter], layer_decay: float | None) -> list[dict[str, Any]]:
    if layer_decay is None:
        return [{"params": list(parameters.values()), "lr_scale": 1.0}]
    groups: dict[float, list[nn.Parameter]] = {}
    for name, scale in layer_scales(list(parameters), layer_decay).items():
        groups.setdefault(scale, []).append(parameters[name])
    return [{"params": group, "lr_scale": scale} for scale, group in groups.items()]


def state_tensors(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Return the tensors of the state as ``parameter:quantity``; none before a step."""
    return {label: value for label, value in _states(optimizer, parameters) if isinstance(value, Tensor)}


def state_numbers(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> dict[str, Any]:
    """Return the rest of the state as JSON-able numbers of parameters and groups.

    Raises:
        EchokitError: The state holds something that is neither tensor nor plain data, so it cannot be resumed.
    """
    numbers = {label: value for label, value in _states(optimizer, parameters) if not isinstance(value, Tensor)}
    groups = [{k: v for k, v in group.items() if _is_plain(v)} for group in optimizer.param_groups]
    for label, value in numbers.items():
        if not _is_plain(value):
            raise EchokitError(
                f"the state of {type(optimizer).__name__} cannot be saved: {label} is a {type(value).__name__}",
                hint="use another optimizer; that of a plugin keeps tensors and plain numbers in its state",
                where="train.optimizer",
                code="train.state_not_saved",
            )
    return {"parameters": numbers, "groups": groups}


def restore_state(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
    numbers: Mapping[str, Any],
) -> None:
    """Restore what `state_tensors` and `state_numbers` returned.

    Tensors get the device and memory format of their parameter.

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
            # Fused kernels read parameter and state together, so both need the same memory format.
            like = parameter.detach() if value.shape == parameter.shape else _on_device(value, parameter, optimizer)
            value = torch.empty_like(like, dtype=value.dtype).copy_(value)
        optimizer.state[parameter][key] = value
    for group, plain in zip(optimizer.param_groups, numbers["groups"], strict=True):
        group.update(plain)


def _on_device(value: Tensor, parameter: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
    """Move a tensor to the device, except a step count that no kernel reads."""
    read_by_kernels = optimizer.defaults.get("fused") or optimizer.defaults.get("capturable")
    return value if value.ndim == 0 and not read_by_kernels else value.to(parameter.device)


def _states(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> Iterator[tuple[str, Any]]:
    for name, parameter in parameters.items():
        for key, value in optimizer.state[parameter].items():
            yield f"{name}:{key}", value
    for number, group in enumerate(optimizer.param_groups):
        for key, value in group.items():
            if isinstance(value, Tensor):  # the step count of timm's optimizers
                yield f"{_GROUP}{number}:{key}", value


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)
