"""Every registered backbone, trained two steps at its smallest clip, in one stream and in two."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import nn

from echokit.models.echo_model import build_model
from echokit.models.fusions.fusions import SingleStream, TwoStream
from echokit.models.input_shape import InputShape
from echokit.models.norm import Norm
from echokit.plugins.discovery import installed
from echokit.training.hardware.conv3d_fix import avoid_conv3d_gradient_bug
from tests.expect import refused


@dataclass(frozen=True)
class Case:
    """How a backbone is tested.

    Attributes:
        smallest: Frames and side of the smallest clip that fits.
        params: Parameters of a small version, if there is one.
        like: A backbone of the same code, whose sizes are tested in slow tests only.
    """

    smallest: tuple[int, int]
    params: dict[str, Any] = field(default_factory=dict)
    like: str | None = None


CASES = {
    "resnet18": Case((1, 16), {"width": 2}),
    "resnet34": Case((1, 16), {"width": 2}, like="resnet18"),
    "resnet50": Case((1, 16), {"width": 2}),
    "resnet101": Case((1, 16), {"width": 2}, like="resnet50"),
    "resnet152": Case((1, 16), {"width": 2}, like="resnet50"),
    "r3d_18": Case((1, 9)),
    "mc3_18": Case((1, 9), like="r3d_18"),
    "r2plus1d_18": Case((1, 9)),
    "s3d": Case((5, 17)),
    "mvit_v2_s": Case((1, 1)),
    "swin3d_t": Case((1, 1)),
    "slow_r50": Case((1, 17), {"width": 8}, like="c2d_r50"),
    "c2d_r50": Case((2, 17), {"width": 8}),
    "i3d_r50": Case((2, 17), {"width": 8}, like="c2d_r50"),
    "csn_r101": Case((1, 17), {"width": 8}),
    "r2plus1d_r50": Case((1, 17), {"width": 8}),
    "slowfast_r50": Case((1, 17), {"width": 8}),
    "x3d_xs": Case((1, 17), {"depth_factor": 1.0}),
    "x3d_s": Case((1, 17), {"depth_factor": 1.0}, like="x3d_xs"),
    "x3d_m": Case((1, 17), {"depth_factor": 1.0}, like="x3d_xs"),
    "x3d_l": Case((1, 17), {"depth_factor": 1.0}, like="x3d_xs"),
    "mvit": Case((1, 1), {"width": 8}),
    "timm": Case((1, 17), {"name": "test_resnet"}),
}
NORMS = {"video": Norm((33.0,), (50.0,)), "flow": Norm((0.0, 0.0), (1.0, 1.0))}
EACH = [pytest.param(name, id=name, marks=[pytest.mark.slow] if case.like else []) for name, case in CASES.items()]


def backbone(name: str) -> Any:
    return installed().registry.get("backbone", name).load()(**CASES[name].params)


def clips(shape: InputShape, batch: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, shape.channels, shape.frames, shape.height, shape.width, generator=generator)


def test_every_registered_backbone_has_a_case() -> None:
    registered = {c.name for c in installed().registry.components(["backbone"]) if c.plugin == "echokit"}
    assert registered == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_two_stream_model_learns_at_the_smallest_clip(name: str) -> None:
    frames, side = CASES[name].smallest
    shapes = {"video": InputShape(1, frames + 1, side, side), "flow": InputShape(2, frames, side, side)}
    model = build_model(TwoStream(), backbone(name), shapes, 2, NORMS, seed=0)
    assert model.head.in_features == 2 * model.fused.backbones["flow"].features
    streams = {stream: 40 * clips(shape) for stream, shape in shapes.items()}
    valid = {stream: torch.ones(4, shape.frames, dtype=torch.bool) for stream, shape in shapes.items()}
    before = {part: parameter.detach().clone() for part, parameter in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    with avoid_conv3d_gradient_bug(model, torch.device("cpu")):
        for _ in range(2):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(streams, valid), torch.tensor([0, 1, 0, 1]))
            torch.autograd.backward(loss)
            for part, parameter in model.named_parameters():
                assert parameter.grad is not None, part
                assert parameter.grad.isfinite().all(), part
            optimizer.step()
    moved = [part for part, parameter in model.named_parameters() if not torch.equal(parameter, before[part])]
    assert len(moved) > len(before) / 2
    model.eval()
    with torch.no_grad():
        both = model(streams, valid)
        alone = model({n: s[:1] for n, s in streams.items()}, {n: v[:1] for n, v in valid.items()})
    torch.testing.assert_close(alone, both[:1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", EACH)
def test_odd_sizes_and_both_memory_formats_fit(name: str) -> None:
    frames, side = CASES[name].smallest
    shape = InputShape(2, frames + 2, side + 3, side + 6)
    model = build_model(SingleStream(stream="flow"), backbone(name), {"flow": shape}, 1, NORMS, seed=0)
    body = model.fused.backbones["flow"].eval()
    clip = clips(shape)
    with torch.no_grad():
        plain = body(clip)
        last = body(clip.contiguous(memory_format=torch.channels_last_3d))
    assert plain.shape == (4, body.features)
    assert plain.isfinite().all()
    torch.testing.assert_close(last, plain, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", EACH)
def test_a_clip_that_is_too_small_is_refused_with_the_smallest(name: str) -> None:
    frames, side = CASES[name].smallest
    for small in ((frames - 1, side), (frames, side - 1)):
        if 0 in small:
            continue
        with refused("model.clip_too_small") as caught:
            backbone(name)(InputShape(1, small[0], small[1], small[1]))
        assert f" {frames} frame" in caught.value.message.rpartition(":")[2]
        assert f" {side}x{side}" in caught.value.message.rpartition(":")[2]
