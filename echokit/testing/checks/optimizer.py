"""Checks of an optimizer: (groups, lr, weight_decay) -> torch.optim.Optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from echokit.errors import EchokitError
from echokit.testing.case import Subject, require
from echokit.training.named_settings import OptimizerSettings

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

SHAPES = {"kernel": (4, 2, 3, 3, 3), "matrix": (3, 4), "bias": (4,), "scale": ()}
STEPS = 60


def _weights(seed: int = 1) -> dict[str, nn.Parameter]:
    import torch

    generator = torch.Generator().manual_seed(seed)
    return {name: torch.nn.Parameter(torch.randn(shape, generator=generator)) for name, shape in SHAPES.items()}


def _make(subject: Subject, weights: Mapping[str, nn.Parameter], lr: float = 0.01) -> Optimizer:
    """Build the optimizer as a training does, with a group of its own for each weight."""
    from echokit.training.step.optimizer import make_optimizer

    groups = [{"params": [weight], "lr_scale": 1.0} for weight in weights.values()]
    settings = OptimizerSettings.model_validate({"use": subject.component.full_name, "lr": lr, **subject.parameters})
    return make_optimizer(groups, settings)


def _loss(weights: Mapping[str, nn.Parameter]) -> Tensor:
    import torch

    return torch.stack([(weight - 0.5).square().mean() for weight in weights.values()]).sum()


def _train(optimizer: Optimizer, weights: Mapping[str, nn.Parameter], steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        _loss(weights).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _same(first: Mapping[str, nn.Parameter], second: Mapping[str, nn.Parameter]) -> bool:
    import torch

    return all(torch.equal(first[name], second[name]) for name in first)


def check_keeps_the_groups_of_parameters(subject: Subject) -> None:
    """It returns a torch Optimizer of the groups that it gets."""
    _make(subject, _weights())


def check_lowers_a_loss(subject: Subject) -> None:
    """Steps lower the mean square of kernels, matrices, biases and a number."""
    weights = _weights()
    before = _loss(weights).item()
    _train(_make(subject, weights), weights, STEPS)
    after = _loss(weights).item()
    require(after < before, f"the loss was {before:.4g} and is {after:.4g} after {STEPS} steps")
    for name, weight in weights.items():
        require(bool(weight.isfinite().all()), f"the {name} is not finite after {STEPS} steps")


def check_gives_the_same_bits(subject: Subject) -> None:
    """The same weights and gradients give the same bits."""
    import torch

    first, second = _weights(), _weights()
    _train(_make(subject, first), first, 5)
    with torch.random.fork_rng(devices=[]):
        torch.rand(1)
        _train(_make(subject, second), second, 5)
    require(_same(first, second), "two trainings from the same weights differ")


def check_a_saved_state_gives_the_same_bits(subject: Subject) -> None:
    """A training that is saved and restored gives the bits of a whole one."""
    import json

    from echokit.training.step.optimizer import restore_state, state_numbers, state_tensors

    whole, part, again = _weights(), _weights(), _weights(seed=2)
    _train(_make(subject, whole), whole, 6)
    optimizer = _make(subject, part)
    _train(optimizer, part, 3)
    try:
        numbers = json.loads(json.dumps(state_numbers(optimizer, part)))
    except EchokitError as error:
        require(False, error.message)
    tensors = {label: tensor.clone() for label, tensor in state_tensors(optimizer, part).items()}
    for name, weight in again.items():
        weight.data.copy_(part[name].data)
    restored = _make(subject, again)
    restore_state(restored, again, tensors, numbers)
    _train(restored, again, 3)
    require(_same(whole, again), "after a restored checkpoint it gives other weights: keep all state in self.state")


def check_follows_the_learning_rate_of_a_group(subject: Subject) -> None:
    """Weights of a group with the rate 0 stay; those of the others move."""
    import torch

    weights, before = _weights(), _weights()
    optimizer = _make(subject, weights)
    for group in optimizer.param_groups[:2]:
        group["lr"] = 0.0
    _train(optimizer, weights, 3)
    for number, name in enumerate(weights):
        moved = not torch.equal(weights[name], before[name])
        require(moved or number < 2, f"the {name} stays, although its group has a learning rate")
        require(not moved or number >= 2, f"the {name} moves, although the learning rate of its group is 0")


def check_leaves_weights_without_a_gradient(subject: Subject) -> None:
    """Weights that have no gradient in a step are not changed."""
    import torch

    weights, before = _weights(), _weights()
    optimizer = _make(subject, weights)
    (weights["matrix"] - 0.5).square().mean().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    for name in ("kernel", "bias", "scale"):
        require(torch.equal(weights[name], before[name]), f"the {name} moves without a gradient")
    require(not torch.equal(weights["matrix"], before["matrix"]), "the matrix does not move along its gradient")
