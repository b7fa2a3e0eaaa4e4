"""Checks of a fusion: ({stream: InputShape}, backbone) -> a module from the streams to (B, features)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from echokit.models.input_shape import InputShape
from echokit.testing.case import Subject, require
from echokit.testing.checks.networks import (
    build_with_seed,
    require_features,
    require_finite_gradients,
    require_same_after_loading,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

FEATURES = 3


def _shapes(subject: Subject) -> dict[str, InputShape]:
    shapes = {"video": InputShape(1, 6, 8, 8), "flow": InputShape(2, 5, 8, 8)}
    return {stream: shapes[stream] for stream in subject.case.streams}


def _small_backbone(shape: InputShape) -> nn.Module:
    from torch import nn

    module = nn.Sequential(nn.AdaptiveAvgPool3d(2), nn.Flatten(), nn.Linear(shape.channels * 8, FEATURES))
    module.features = FEATURES  # type: ignore[assignment]
    return module


def _build(subject: Subject, seed: int = 0) -> nn.Module:
    return build_with_seed(lambda: subject.make()(_shapes(subject), _small_backbone), seed)


def _streams(subject: Subject, module: nn.Module, batch: int) -> dict[str, Tensor]:
    import torch

    generator = torch.Generator().manual_seed(5)
    shapes = _shapes(subject)
    used = tuple(getattr(module, "streams", shapes))
    require(set(used) <= set(shapes), f"it reads the streams {', '.join(used)}, but gets {', '.join(shapes)}")
    return {
        name: torch.randn((batch, s.channels, s.frames, s.height, s.width), generator=generator)
        for name, s in shapes.items()
        if name in used
    }


def check_says_how_wide_its_answer_is(subject: Subject) -> None:
    """``features`` is the width of the output: (B, features), float32."""
    module = _build(subject).eval()
    require_features(module, lambda batch: module(_streams(subject, module, batch)))


def check_gradients_are_finite(subject: Subject) -> None:
    """Every trainable weight of every stream that it reads gets a finite gradient."""
    import torch

    module = _build(subject).train()
    with torch.random.fork_rng(devices=[]):
        module(_streams(subject, module, 2)).square().sum().backward()
    require_finite_gradients(module)


def check_weights_survive_saving(subject: Subject) -> None:
    """Another module with its state_dict gives the same output."""
    first = _build(subject, seed=0).eval()
    streams = _streams(subject, first, 2)
    require_same_after_loading(first, _build(subject, seed=1).eval(), lambda module: module(streams))
