"""Checks of a backbone: (InputShape) -> a module from (B, C, T, H, W) to (B, features)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from echokit.models.input_shape import InputShape
from echokit.testing.case import Skip, Subject, require
from echokit.testing.checks.networks import (
    build_with_seed,
    require_features,
    require_finite_gradients,
    require_same_after_loading,
)

if TYPE_CHECKING:
    from torch import Tensor, nn


def _build(subject: Subject, seed: int = 0) -> nn.Module:
    import torch

    def build() -> Any:
        shape = InputShape(*subject.case.shape)
        if subject.case.meta:
            with torch.device("meta"):
                return subject.make()(shape)
        return subject.make()(shape)

    return build_with_seed(build, seed)


def _input(subject: Subject, batch: int) -> Tensor:
    import torch

    if subject.case.meta:
        return torch.empty((batch, *subject.case.shape), device="meta")
    return torch.randn((batch, *subject.case.shape), generator=torch.Generator().manual_seed(5))


def _skip_on_meta(subject: Subject) -> None:
    if subject.case.meta:
        raise Skip("too large to compute here: only its shapes are checked")


def check_says_how_wide_its_answer_is(subject: Subject) -> None:
    """``features`` is the width of the output: (B, features), float32."""
    module = _build(subject).eval()
    require_features(module, lambda batch: module(_input(subject, batch)))


def check_builds_from_the_seed_alone(subject: Subject) -> None:
    """The same random state gives the same weights."""
    import torch

    _skip_on_meta(subject)
    first, second = _build(subject).state_dict(), _build(subject).state_dict()
    require(list(first) == list(second), "the names of its weights differ")
    for name, weights in first.items():
        require(torch.equal(weights, second[name]), f"{name} differs")


def check_gives_the_same_answer_twice(subject: Subject) -> None:
    """In evaluation mode a clip has one output, alone or in a batch."""
    import torch

    _skip_on_meta(subject)
    module, clips = _build(subject).eval(), _input(subject, 2)
    original = clips.clone()
    with torch.no_grad():
        first, second, alone = module(clips), module(clips), module(clips[:1])
    require(torch.equal(clips, original), "it modified its input")
    require(torch.equal(first, second), "two outputs for the same input differ")
    require(torch.allclose(first[:1], alone, rtol=1e-3, atol=1e-4), "an output depends on the other clips of the batch")


def check_gradients_are_finite(subject: Subject) -> None:
    """In training mode, every trainable weight gets a finite gradient."""
    import torch

    from echokit.training.hardware.conv3d_fix import avoid_conv3d_gradient_bug

    _skip_on_meta(subject)
    module = _build(subject).train()
    with avoid_conv3d_gradient_bug(module, torch.device("cpu")), torch.random.fork_rng(devices=[]):
        module(_input(subject, 2)).square().sum().backward()
    require_finite_gradients(module)


def check_weights_survive_saving(subject: Subject) -> None:
    """Another module with its state_dict gives the same output."""
    _skip_on_meta(subject)
    clips = _input(subject, 1)
    require_same_after_loading(
        _build(subject, seed=0).eval(), _build(subject, seed=1).eval(), lambda module: module(clips)
    )
