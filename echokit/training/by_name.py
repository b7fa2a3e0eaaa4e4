"""Optimizers and schedules by their names in torch and timm, and what parameters they take."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch

from echokit.errors import EchokitError, did_you_mean

_LEFT_OUT = {"lbfgs", "sparseadam", "optimizer", "adahessian", "kron", "kronc", "kronw"}
"""Those that want a closure, sparse or second gradients, or whose state is no set of tensors that could be kept."""
_TIMM_TAKES_MORE = {"muon"}
"""In both, and torch's takes matrices only: timm's also the kernels of convolutions, norms and biases."""
_OWN_OPTIONS = {"params", "lr", "weight_decay", "foreach", "fused", "capturable", "differentiable", "maximize"}
_HORIZONS = {"T_max", "total_iters", "total_steps", "t_initial"}
"""Parameters that are the length of the training, and are filled in with it."""
_NO_OPTIONS = {
    "optimizer", "last_epoch", "verbose", "cycle_momentum", "base_momentum", "max_momentum", "param_group_field",
    "initialize", "t_in_epochs", "noise_range_t", "noise_type", "noise_pct", "noise_std", "noise_seed",
}  # fmt: skip
_KINDS = ((2, 2, 1, 1, 1), (2, 2), (2,))  # a kernel, a matrix, a bias
PLATEAU = "plateau"

Make = Callable[..., Any]


@functools.cache
def _torch_optimizers() -> Mapping[str, Make]:
    classes = {name.lower(): value for name, value in vars(torch.optim).items() if inspect.isclass(value)}
    return {name: value for name, value in classes.items() if name not in _LEFT_OUT | _TIMM_TAKES_MORE}


@functools.cache
def _torch_schedules() -> Mapping[str, Make]:
    found: dict[str, Make] = {}
    for name, value in vars(torch.optim.lr_scheduler).items():
        if name.endswith("LR") and name not in ("LRScheduler", "LambdaLR", "MultiplicativeLR", "SequentialLR"):
            found[re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix("LR")).lower()] = value
    found["cosine_annealing_warm_restarts"] = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts
    found[PLATEAU] = torch.optim.lr_scheduler.ReduceLROnPlateau
    return {name: value for name, value in found.items() if name not in ("constant", "one_cycle", "chained_scheduler")}


@functools.cache
def _timm_schedules() -> Mapping[str, Make]:
    from timm import scheduler

    classes = {name: value for name, value in vars(scheduler).items() if name.endswith("LRScheduler")}
    return {name.removesuffix("LRScheduler").lower(): value for name, value in classes.items()}


def _timm_optimizer_names() -> list[str]:
    from timm.optim._optim_factory import list_optimizers

    return [n for n in map(str, list_optimizers()) if not n.startswith(("bnb", "fused")) and n not in _LEFT_OUT]


def optimizer_maker(use: str) -> Make:
    """The class of an optimizer.

    Raises:
        ValueError: Neither torch nor timm has the name.
    """
    if use in _torch_optimizers():
        return _torch_optimizers()[use]
    from timm.optim._optim_factory import get_optimizer_class

    names = _timm_optimizer_names()
    if use not in names:
        hint = (
            did_you_mean(use, [*_torch_optimizers(), *names]) or f"torch has {', '.join(sorted(_torch_optimizers()))}"
        )
        raise ValueError(f"neither torch nor timm has an optimizer {use!r} ({hint})")
    made: Make = get_optimizer_class(use)
    return made


def optimizer_parameters(use: str) -> dict[str, Any]:
    """Parameters of an optimizer beside rate and decay, with their defaults; those that are no plain data are left out.

    Raises:
        ValueError: There is no such optimizer.
    """
    found = _parameters(optimizer_maker(use), _OWN_OPTIONS)
    if use not in _torch_optimizers():
        from timm.optim._optim_factory import get_optimizer_info

        if get_optimizer_info(use).has_momentum and not found.get("momentum"):
            found["momentum"] = 0.9  # as timm's own factory makes it
    return found


def try_optimizer(use: str, options: Mapping[str, Any]) -> None:
    """Make an optimizer of small weights of each kind, to hear early what it thinks of them and of its parameters.

    Raises:
        ValueError: It refuses them.
    """
    try:
        weights = [torch.nn.Parameter(torch.zeros(size)) for size in _KINDS]
        optimizer_maker(use)(weights, **options)
    except (TypeError, AssertionError, RuntimeError) as error:
        raise ValueError(f"{use} refuses its parameters: {error}") from error


def schedule_maker(use: str) -> tuple[Make, bool]:
    """The class of a schedule, and whether it is one of timm's.

    Raises:
        ValueError: Neither torch nor timm has the name.
    """
    if use in _torch_schedules():
        return _torch_schedules()[use], False
    if use in _timm_schedules():
        return _timm_schedules()[use], True
    known = ["constant", "one_cycle", *_torch_schedules(), *_timm_schedules()]
    hint = did_you_mean(use, known) or f"known are {', '.join(sorted(set(known)))}"
    raise ValueError(f"neither torch nor timm has a schedule {use!r} ({hint})")


def schedule_parameters(use: str) -> dict[str, Any]:
    """Parameters of a schedule with their defaults; None where the length of the training is meant.

    Raises:
        ValueError: There is no such schedule.
    """
    maker, _ = schedule_maker(use)
    found = _parameters(maker, _NO_OPTIONS)
    return {name: None if name in _HORIZONS else default for name, default in found.items()}


@functools.lru_cache(maxsize=8)
def schedule_curve(use: str, options: tuple[tuple[str, Any], ...], peak: float, units: int) -> tuple[float, ...]:
    """Learning rates of all units (steps or epochs) of a phase, by the library's own scheduler on a spare optimizer.

    All of them at once, so that the scheduler has no state that a resume would need.

    Args:
        use: Name of the schedule.
        options: Its parameters.
        peak: Learning rate of the optimizer.
        units: How many.

    Raises:
        EchokitError: The library refuses the parameters.
    """
    maker, of_timm = schedule_maker(use)
    spare = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    takes = inspect.signature(maker).parameters
    horizon = {name: units for name in _HORIZONS if name in takes}
    fixed = {"cycle_momentum": False} if "cycle_momentum" in takes else {}
    try:
        scheduler = maker(spare, **{**horizon, **fixed, **dict(options)})
        rates = []
        for unit in range(units):
            if of_timm:
                scheduler.step(unit)
            rates.append(float(spare.param_groups[0]["lr"]))
            if not of_timm:
                spare.step()
                scheduler.step()
    except (TypeError, ValueError, AssertionError) as error:
        raise EchokitError(f"the schedule {use} refuses its parameters: {error}", where="train.schedule") from error
    return tuple(rates)


def plateau_rate(options: Mapping[str, Any], peak: float, losses: tuple[float, ...]) -> float:
    """Learning rate after epochs with these validation losses, by torch's ReduceLROnPlateau.

    Raises:
        EchokitError: torch refuses the parameters.
    """
    spare = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    try:
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(spare, **options)
    except (TypeError, ValueError) as error:
        raise EchokitError(f"the schedule plateau refuses its parameters: {error}", where="train.schedule") from error
    for loss in losses:
        scheduler.step(loss)
    return float(spare.param_groups[0]["lr"])


def _parameters(maker: Make, without: set[str]) -> dict[str, Any]:
    found = {}
    for name, parameter in inspect.signature(maker).parameters.items():
        required = parameter.default is inspect.Parameter.empty
        default = None if required else parameter.default
        usable = default is None or isinstance(default, bool | int | float | str | tuple | list)
        if name not in without and usable and parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            found[name] = default
    return found
