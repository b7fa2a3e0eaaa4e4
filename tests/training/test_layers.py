"""Layers of every backbone are blocks in the order of the forward pass."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.func import functional_call

from echokit.models.cost import meta_state
from echokit.models.input_shape import InputShape
from echokit.plugins.discovery import installed
from echokit.training.step.layer_decay import layer_scales

SHAPE = InputShape(1, 8, 64, 64)
NARROW = {"width": 8}
LAYERS: dict[str, tuple[dict[str, Any], int]] = {
    "resnet18": ({"width": 2}, 10), "resnet34": ({"width": 2}, 18), "resnet50": ({"width": 2}, 18),
    "resnet101": ({"width": 2}, 35), "resnet152": ({"width": 2}, 52),
    "r3d_18": ({}, 9), "mc3_18": ({}, 9), "r2plus1d_18": ({}, 9), "s3d": ({}, 12),
    "mvit_v2_s": ({}, 18), "swin3d_t": ({}, 17), "slow_r50": (NARROW, 17), "c2d_r50": (NARROW, 17),
    "i3d_r50": (NARROW, 17), "csn_r101": (NARROW, 34), "r2plus1d_r50": (NARROW, 17), "slowfast_r50": (NARROW, 20),
    "x3d_xs": ({}, 28), "x3d_s": ({}, 28), "x3d_m": ({}, 28), "x3d_l": ({}, 57), "mvit": (NARROW, 18),
    "timm": ({"pooling": "lstm"}, 10),
}  # fmt: skip
IMAGES = {
    "resnet18": 9, "vit_tiny_patch16_224": 14, "swin_tiny_patch4_window7_224": 17, "convnext_atto": 17,
    "efficientnet_b0": 18, "densenet121": 10, "regnety_002": 5, "levit_128s": 12,
}  # fmt: skip


def layers_of(model: nn.Module) -> dict[str, int]:
    """Compute the layer of each parameter, 0 right below the head."""
    names = [f"fused.backbones.video.{name}" for name, _ in model.named_parameters()]
    scales = layer_scales([*names, "head.weight"], 0.5)
    assert scales["head.weight"] == 1.0
    return {name.removeprefix("fused.backbones.video."): round(-math.log2(scales[name])) - 1 for name in names}


def forward_order(model: nn.Module) -> list[str]:
    """Order parameters by the first call of their modules."""
    order: list[str] = []

    def record(name: str, module: nn.Module) -> None:
        own = [f"{name}.{key}" if name else key for key, _ in module.named_parameters(recurse=False)]
        module.register_forward_pre_hook(
            lambda *_: order.extend(parameter for parameter in own if parameter not in order)
        )

    for name, module in model.named_modules():
        record(name, module)
    clip = torch.empty(2, SHAPE.channels, SHAPE.frames, SHAPE.height, SHAPE.width, device="meta")
    with torch.no_grad():
        functional_call(model, meta_state(model), (clip,))
    return order


def check(model: nn.Module, count: int) -> None:
    layers = layers_of(model)
    order = forward_order(model)
    assert len(order) > len(layers) / 2
    for path in ("", "multipathway_blocks.0", "multipathway_blocks.1"):  # the pathways of SlowFast are parallel
        along = [layers[name] for name in order if (path in name if path else "multipathway_blocks" not in name)]
        assert along == sorted(along, reverse=True), path
    assert sorted(set(layers.values())) == list(range(count))


def test_every_registered_backbone_is_tested() -> None:
    assert {c.name for c in installed().registry.components(["backbone"]) if c.plugin == "echokit"} == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_blocks_in_the_order_of_the_forward_pass(name: str) -> None:
    params, count = LAYERS[name]
    check(installed().registry.get("backbone", name).load()(**params)(SHAPE), count)


@pytest.mark.parametrize("name", IMAGES)
def test_layers_of_image_models_are_blocks_too(name: str) -> None:
    check(installed().registry.get("backbone", "timm").load()(name=name)(SHAPE), IMAGES[name])


def test_norm_and_pooling_are_right_below_the_head() -> None:
    timm = installed().registry.get("backbone", "timm").load()
    for name in ("vit_tiny_patch16_224", "resnet18"):
        layers = layers_of(timm(name=name, pooling="lstm")(SHAPE))
        assert {layer for part, layer in layers.items() if ".lstm." in part or ".image.norm." in part} == {0}
        lowest = {part.split(".")[2] for part, layer in layers.items() if layer == max(layers.values())}
        assert lowest <= {"conv1", "bn1", "cls_token", "pos_embed", "patch_embed"}


def test_each_stream_is_counted_separately() -> None:
    names = [
        f"fused.backbones.{stream}.{layer}.weight"
        for stream in ("video", "flow")
        for layer in ("stem.conv", "stages.0.0.body.norm", "stages.0.1.body.norm", "stages.1.0.body.norm", "last.norm")
    ]
    scales = layer_scales([*names, "head.weight"], 0.5)
    for stream in ("video", "flow"):
        assert [scales[name] for name in names if stream in name] == [0.5**5, 0.5**4, 0.5**3, 0.5**2, 0.5]


def test_a_backbone_without_blocks_has_its_children_as_layers() -> None:
    names = ["body.first.weight", "body.first.bias", "body.second.weight", "body.norm.weight", "head.weight"]
    assert list(layer_scales(names, 0.5).values()) == [0.125, 0.125, 0.25, 0.5, 1.0]
