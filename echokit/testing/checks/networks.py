"""What backbones and fusions have in common: both build a torch module that gives (B, features)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from echokit.testing.case import require

if TYPE_CHECKING:
    from torch import Tensor, nn

_FIRST_SEED = 82_471  # which no component sets itself


def build_with_seed(build: Callable[[], Any], seed: int) -> nn.Module:
    """Build a module with a given random state.

    Raises:
        Failure: It is no torch module, or it sets a seed itself.
    """
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_FIRST_SEED + seed)
        module = build()
        seed_after = torch.initial_seed()
    require(seed_after == _FIRST_SEED + seed, f"it seeds the global generator of torch with {seed_after}")
    require(isinstance(module, nn.Module), f"it gives {type(module).__name__}, not a torch module")
    built: nn.Module = module
    return built


def require_features(module: nn.Module, forward: Callable[[int], Tensor]) -> None:
    """Require ``features`` of a module to be the width of its output.

    Args:
        module: In evaluation mode.
        forward: From the batch size to the output of the module.
    """
    import torch

    features = getattr(module, "features", None)
    require(isinstance(features, int), "the module has no int `features`")
    for batch in (1, 2):
        with torch.no_grad():
            output = forward(batch)
        require(tuple(output.shape) == (batch, features), f"it gives {tuple(output.shape)}, not ({batch}, {features})")
        require(output.dtype == torch.float32, f"it gives {output.dtype}")


def require_finite_gradients(module: nn.Module) -> None:
    """Require every trainable weight to have a finite gradient after a backward pass."""
    for name, weights in module.named_parameters():
        if weights.requires_grad:
            gradient = weights.grad
            require(gradient is not None, f"{name} gets no gradient")
            require(gradient is not None and bool(gradient.isfinite().all()), f"the gradient of {name} is not finite")


def require_same_after_loading(first: nn.Module, second: nn.Module, forward: Callable[[nn.Module], Tensor]) -> None:
    """Require a second module with the same state to give the same output."""
    import torch

    second.load_state_dict(first.state_dict(), strict=True)
    with torch.no_grad():
        require(torch.equal(forward(first), forward(second)), "the outputs differ after load_state_dict")
