"""Find optimizers and schedules of torch and timm by name, with their parameters."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch

from echokit.errors import EchokitError
from echokit.training.schedulers.position import SchedulePosition

_UNSUPPORTED = {"lbfgs", "sparseadam", "optimizer", "adahessian", "kron", "kronc", "kronw"}
"""Need a closure, sparse or second gradients, or have a state that is not a set of tensors."""
_BETTER_IN_TIMM = {"muon"}
"""In both libraries, and torch's takes matrices only; timm's takes all parameters."""
_OWN_OPTIONS = {"params", "lr", "weight_decay", "foreach", "fused", "capturable", "differentiable", "maximize"}
_HORIZONS = {"T_max", "total_iters", "total_steps", "t_initial"}
"""Parameters that are set to the length of the training."""
_NO_OPTIONS = {
    "optimizer", "last_epoch", "verbose", "cycle_momentum", "base_momentum", "max_momentum", "param_group_field",
    "initialize", "t_in_epochs", "noise_range_t", "noise_type", "noise_pct", "noise_std", "noise_seed",
}  # fmt: skip
_KINDS = ((2, 2, 1, 1, 1), (2, 2), (2,))  # a kernel, a matrix, a bias
_UNITS = ("epoch", "step")

Make = Callable[..., Any]


@functools.cache
def _torch_optimizers() -> Mapping[str, Make]:
    classes = {name.lower(): value for name, value in vars(torch.optim).items() if inspect.isclass(value)}
    return {name: value for name, value in classes.items() if name not in _UNSUPPORTED | _BETTER_IN_TIMM}


@functools.cache
def _torch_schedules() -> Mapping[str, Make]:
    schedules: dict[str, Make] = {}
    for name, value in vars(torch.optim.lr_scheduler).items():
        if name.endswith("LR") and name not in ("LambdaLR", "MultiplicativeLR", "SequentialLR"):
            schedules[re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix("LR")).lower()] = value
    schedules["cosine_annealing_warm_restarts"] = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts
    schedules["plateau"] = torch.optim.lr_scheduler.ReduceLROnPlateau
    return schedules


@functools.cache
def _timm_schedules() -> Mapping[str, Make]:
    from timm import scheduler

    classes = {name: value for name, value in vars(scheduler).items() if name.endswith("LRScheduler")}
    return {name.removesuffix("LRScheduler").lower(): value for name, value in classes.items()}


def _timm_optimizer_names() -> list[str]:
    from timm.optim._optim_factory import list_optimizers

    return [n for n in map(str, list_optimizers()) if not n.startswith(("bnb", "fused")) and n not in _UNSUPPORTED]


@functools.cache
def optimizer_names() -> frozenset[str]:
    """Return the names of all optimizers of torch and timm."""
    return frozenset((*_torch_optimizers(), *_timm_optimizer_names()))


@functools.cache
def schedule_names() -> frozenset[str]:
    """Return the names of all schedules of torch and timm."""
    return frozenset((*_torch_schedules(), *_timm_schedules()))


def optimizer_summaries() -> dict[str, tuple[str, str]]:
    """Return the library and a summary of every optimizer, by name."""
    from timm.optim._optim_factory import get_optimizer_info

    found = {name: ("timm", str(get_optimizer_info(name).description)) for name in _timm_optimizer_names()}
    return dict(sorted({**found, **{name: ("torch", _summary(c)) for name, c in _torch_optimizers().items()}}.items()))


def schedule_summaries() -> dict[str, tuple[str, str]]:
    """Return the library and a summary of every schedule, by name."""
    found = {name: ("timm", _summary(maker)) for name, maker in _timm_schedules().items()}
    return dict(sorted({**found, **{name: ("torch", _summary(c)) for name, c in _torch_schedules().items()}}.items()))


def _summary(maker: Make) -> str:
    text = (inspect.getdoc(maker) or "").strip().partition("\n\n")[0]
    return " ".join(text.split()).partition(". ")[0].rstrip(".")


def optimizer_maker(use: str) -> Make:
    """Return the class of an optimizer, torch's in its fused form if it has one."""
    if use in _torch_optimizers():
        maker = _torch_optimizers()[use]
        fused = "fused" in inspect.signature(maker).parameters
        return functools.partial(maker, fused=True) if fused else maker
    from timm.optim._optim_factory import get_optimizer_class

    maker = get_optimizer_class(use)
    return maker


def optimizer_parameters(use: str) -> dict[str, Any]:
    """Return the parameters of an optimizer with their defaults.

    Learning rate and weight decay are not among them, nor parameters that are not plain data.
    """
    parameters = _parameters(optimizer_maker(use), _OWN_OPTIONS)
    if use not in _torch_optimizers():
        from timm.optim._optim_factory import get_optimizer_info

        if get_optimizer_info(use).has_momentum and not parameters.get("momentum"):
            parameters["momentum"] = 0.9  # the default of timm's own factory
    return parameters


def try_optimizer(use: str, options: Mapping[str, Any]) -> None:
    """Create an optimizer of small weights of each kind, to check its parameters.

    Raises:
        ValueError: The optimizer rejects them.
    """
    try:
        weights = [torch.nn.Parameter(torch.zeros(size)) for size in _KINDS]
        optimizer_maker(use)(weights, **options)
    except (TypeError, AssertionError, RuntimeError) as error:
        raise ValueError(f"{use} rejects its parameters: {error}") from error


def _schedule_maker(use: str) -> tuple[Make, bool]:
    """Return the class of a schedule, and whether it is one of timm."""
    if use in _torch_schedules():
        return _torch_schedules()[use], False
    return _timm_schedules()[use], True


def schedule_parameters(use: str) -> dict[str, Any]:
    """Return the parameters of a schedule and their unit, with their defaults.

    The default None stands for the length of the training.
    """
    maker, _ = _schedule_maker(use)
    parameters = _parameters(maker, _NO_OPTIONS)
    return {"unit": _UNITS[0]} | {name: None if name in _HORIZONS else v for name, v in parameters.items()}


def follows_training(use: str, options: Mapping[str, Any]) -> bool:
    """Return whether the length of a schedule is that of the training."""
    return bool(_HORIZONS & set(schedule_parameters(use)) - set(options))


def try_schedule(use: str, options: Mapping[str, Any]) -> None:
    """Compute a learning rate, to check the parameters of a schedule.

    Raises:
        ValueError: The schedule rejects them.
    """
    if options["unit"] not in _UNITS:
        raise ValueError(f"unit must be {' or '.join(_UNITS)}, not {options['unit']!r}")
    try:
        library_rate(use, options, 1.0, SchedulePosition(0, 4, 0, 1))
    except EchokitError as error:
        raise ValueError(error.message) from None


def library_rate(use: str, options: Mapping[str, Any], peak: float, position: SchedulePosition) -> float:
    """Compute the learning rate of a schedule of torch or timm at a position.

    Args:
        use: Name of the schedule.
        options: Its parameters and their unit.
        peak: Learning rate of the optimizer.
        position: Position of the step.

    Raises:
        EchokitError: The library rejects the parameters, or the schedule needs a validation set.
    """
    maker, _ = _schedule_maker(use)
    own = {name: value for name, value in options.items() if name != "unit"}
    if maker is torch.optim.lr_scheduler.ReduceLROnPlateau:  # it gets the losses
        return _plateau_rate(own, peak, position.validation_losses)
    by_epoch = options["unit"] == "epoch"
    units = position.epochs if by_epoch else position.epochs * position.steps
    unit = position.epoch if by_epoch else position.epoch * position.steps + position.step
    return _curve(use, tuple(own.items()), peak, units)[unit]


@functools.lru_cache(maxsize=8)
def _curve(use: str, options: tuple[tuple[str, Any], ...], peak: float, units: int) -> tuple[float, ...]:
    """Compute the learning rates of all units (steps or epochs) of a phase.

    The library's own scheduler computes all of them at once on a dummy optimizer, so a resume needs no state of it.
    """
    maker, of_timm = _schedule_maker(use)
    dummy = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    takes = inspect.signature(maker).parameters
    horizon = {name: units for name in _HORIZONS if name in takes}
    fixed = {"cycle_momentum": False} if "cycle_momentum" in takes else {}
    try:
        scheduler = maker(dummy, **{**horizon, **fixed, **dict(options)})
        rates = []
        for unit in range(units):
            if of_timm:
                scheduler.step(unit)
            rates.append(float(dummy.param_groups[0]["lr"]))
            if not of_timm:
                dummy.step()
                scheduler.step()
    except (TypeError, ValueError, AssertionError) as error:
        raise _bad_schedule(use, error) from error
    return tuple(rates)


def _plateau_rate(options: Mapping[str, Any], peak: float, losses: tuple[float, ...]) -> float:
    """Compute the learning rate of ReduceLROnPlateau after some validation losses."""
    dummy = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    try:
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(dummy, **options)
    except (TypeError, ValueError) as error:
        raise _bad_schedule("plateau", error) from error
    for loss in losses:
        scheduler.step(loss)
    return float(dummy.param_groups[0]["lr"])


def _bad_schedule(use: str, error: Exception) -> EchokitError:
    message = f"the schedule {use} rejects its parameters: {error}"
    return EchokitError(message, where="train.schedule", code="train.bad_schedule")


def _parameters(maker: Make, without: set[str]) -> dict[str, Any]:
    parameters = {}
    for name, parameter in inspect.signature(maker).parameters.items():
        required = parameter.default is inspect.Parameter.empty
        default = None if required else parameter.default
        usable = default is None or isinstance(default, bool | int | float | str | tuple | list)
        if name not in without and usable and parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            parameters[name] = default
    return parameters
