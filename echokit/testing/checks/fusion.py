"""What a fusion promises: ({stream: InputShape}, backbone) -> a module from the streams to (B, features)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from echokit.models.shape import InputShape
from echokit.testing.case import Subject, require

if TYPE_CHECKING:
    from torch import Tensor, nn

FEATURES = 3


def _shapes(subject: Subject) -> dict[str, InputShape]:
    known = {"video": InputShape(1, 6, 8, 8), "flow": InputShape(2, 5, 8, 8)}
    return {stream: known[stream] for stream in subject.case.streams}


def _small_backbone(shape: InputShape) -> nn.Module:
    from torch import nn

    module = nn.Sequential(nn.AdaptiveAvgPool3d(2), nn.Flatten(), nn.Linear(shape.channels * 8, FEATURES))
    module.features = FEATURES  # type: ignore[assignment]
    return module


def _built(subject: Subject, seed: int = 0) -> nn.Module:
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        made: Any = subject.make()(_shapes(subject), _small_backbone)
    require(isinstance(made, nn.Module), f"it gives {type(made).__name__}, not a torch module")
    module: nn.Module = made
    return module


def _streams(subject: Subject, module: nn.Module, batch: int) -> dict[str, Tensor]:
    import torch

    chance = torch.Generator().manual_seed(5)
    shapes = _shapes(subject)
    read = tuple(getattr(module, "streams", shapes))
    require(set(read) <= set(shapes), f"it reads the streams {', '.join(read)}, which it was not given")
    return {
        name: torch.randn((batch, s.channels, s.frames, s.height, s.width), generator=chance)
        for name, s in shapes.items()
        if name in read
    }


def check_says_how_wide_its_answer_is(subject: Subject) -> None:
    """``features`` is the width of what it gives: (B, features)."""
    import torch

    module = _built(subject).eval()
    features = getattr(module, "features", None)
    require(isinstance(features, int), "the module has no int `features`")
    for batch in (1, 2):
        with torch.no_grad():
            answer = module(_streams(subject, module, batch))
        require(tuple(answer.shape) == (batch, features), f"it gives {tuple(answer.shape)}, not ({batch}, {features})")


def check_gradients_are_finite(subject: Subject) -> None:
    """Every weight of every stream that it reads gets a finite gradient."""
    module = _built(subject).train()
    module(_streams(subject, module, 2)).square().sum().backward()
    for name, weights in module.named_parameters():
        require(weights.grad is not None, f"{name} gets no gradient")
        require(bool(weights.grad.isfinite().all()), f"the gradient of {name} is not finite")  # type: ignore[union-attr]


def check_weights_survive_saving(subject: Subject) -> None:
    """Another module with its state_dict gives the same answer."""
    import torch

    first, second = _built(subject, seed=0).eval(), _built(subject, seed=1).eval()
    second.load_state_dict(first.state_dict(), strict=True)
    streams = _streams(subject, first, 2)
    with torch.no_grad():
        require(torch.equal(first(streams), second(streams)), "the answers differ after load_state_dict")
