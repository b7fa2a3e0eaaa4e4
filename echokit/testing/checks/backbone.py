"""What a backbone promises: (InputShape) -> a module from (B, C, T, H, W) to (B, features)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from echokit.models.shape import InputShape
from echokit.testing.case import Skip, Subject, require

if TYPE_CHECKING:
    from torch import Tensor, nn


def _built(subject: Subject, seed: int = 0) -> nn.Module:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if subject.case.meta:
            with torch.device("meta"):
                return _module(subject)
        return _module(subject)


def _module(subject: Subject) -> nn.Module:
    from torch import nn

    made: Any = subject.make()(InputShape(*subject.case.shape))
    require(isinstance(made, nn.Module), f"it gives {type(made).__name__}, not a torch module")
    module: nn.Module = made
    return module


def _input(subject: Subject, batch: int) -> Tensor:
    import torch

    if subject.case.meta:
        return torch.empty((batch, *subject.case.shape), device="meta")
    return torch.randn((batch, *subject.case.shape), generator=torch.Generator().manual_seed(5))


def _computed_here(subject: Subject) -> None:
    if subject.case.meta:
        raise Skip("too large to compute here: its shapes alone are checked")


def check_says_how_wide_its_answer_is(subject: Subject) -> None:
    """``features`` is the width of what it gives: (B, features), float32."""
    import torch

    module = _built(subject).eval()
    features = getattr(module, "features", None)
    require(isinstance(features, int), "the module has no int `features`")
    for batch in (1, 2):
        with torch.no_grad():
            answer = module(_input(subject, batch))
        require(tuple(answer.shape) == (batch, features), f"it gives {tuple(answer.shape)}, not ({batch}, {features})")
        require(answer.dtype == torch.float32, f"it gives {answer.dtype}")


def check_builds_from_the_seed_alone(subject: Subject) -> None:
    """The same random state gives the same weights."""
    import torch

    _computed_here(subject)
    first, second = _built(subject).state_dict(), _built(subject).state_dict()
    require(list(first) == list(second), "the names of its weights differ")
    for name, weights in first.items():
        require(torch.equal(weights, second[name]), f"{name} differs")


def check_gives_the_same_answer_twice(subject: Subject) -> None:
    """In evaluation mode the same clip gets the same answer, alone or in a batch, and is not written into."""
    import torch

    _computed_here(subject)
    module, clips = _built(subject).eval(), _input(subject, 2)
    kept = clips.clone()
    with torch.no_grad():
        first, second, alone = module(clips), module(clips), module(clips[:1])
    require(torch.equal(clips, kept), "it wrote into its input")
    require(torch.equal(first, second), "two answers differ")
    require(torch.allclose(first[:1], alone, rtol=1e-3, atol=1e-4), "an answer depends on the other clips of the batch")


def check_gradients_are_finite(subject: Subject) -> None:
    """In training every weight that can learn gets a gradient, and all are finite; a batch of two is enough."""
    import torch

    from echokit.training.convolution import sound_gradients

    _computed_here(subject)
    module = _built(subject).train()
    with sound_gradients(module, torch.device("cpu")), torch.random.fork_rng(devices=[]):
        module(_input(subject, 2)).square().sum().backward()
    for name, weights in module.named_parameters():
        if weights.requires_grad:
            require(weights.grad is not None, f"{name} gets no gradient")
            require(bool(weights.grad.isfinite().all()), f"the gradient of {name} is not finite")  # type: ignore[union-attr]


def check_weights_survive_saving(subject: Subject) -> None:
    """Another module with its state_dict gives the same answer."""
    import torch

    _computed_here(subject)
    first, second = _built(subject, seed=0).eval(), _built(subject, seed=1).eval()
    second.load_state_dict(first.state_dict(), strict=True)
    clips = _input(subject, 1)
    with torch.no_grad():
        require(torch.equal(first(clips), second(clips)), "the answers differ after load_state_dict")
