"""Image models of timm on every frame: pooling, sizes of transformers, unknown names."""

from __future__ import annotations

import pytest
import torch

from echokit.models.backbones.timm_frames import Timm
from echokit.models.cost import multiply_adds
from echokit.models.echo_model import build_model
from echokit.models.fusions.fusions import SingleStream
from echokit.models.input_shape import InputShape
from echokit.models.norm import raw
from tests.expect import refused

SHAPE = InputShape(2, 5, 32, 48)


@pytest.mark.parametrize(
    ("pooling", "ordered", "width"), [("mean", 0, 96), ("max", 0, 96), ("attention", 0, 96), ("lstm", 1, 7)]
)
def test_only_the_lstm_depends_on_the_order_of_frames(pooling: str, ordered: bool, width: int) -> None:
    torch.manual_seed(0)
    model = Timm(name="test_resnet", pooling=pooling, hidden=7)(SHAPE).eval()  # type: ignore[arg-type]
    clip = torch.randn(2, 2, 5, 32, 48)
    with torch.no_grad():
        forward, backward = model(clip), model(clip.flip(2))
    assert model.features == width
    assert forward.shape == (2, width)
    assert torch.allclose(forward, backward, atol=1e-5) != ordered


def test_a_still_video_gives_the_features_of_its_picture() -> None:
    model = Timm(name="test_resnet")(SHAPE).eval()
    picture = torch.randn(1, 2, 1, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(model(picture.expand(-1, -1, 5, -1, -1)), model.body.image(picture[:, :, 0]))


def test_a_transformer_is_built_for_the_size_of_the_clips() -> None:
    with torch.no_grad():
        assert Timm(name="test_vit")(SHAPE).eval()(torch.zeros(1, 2, 3, 32, 48)).shape == (1, 64)
    with refused("model.clip_size", names=("48x48",)) as caught:
        Timm(name="test_vit")(InputShape(1, 3, 40, 40))
    assert "48x48" in caught.value.message
    with refused("model.clip_too_small", names=("16x16",)) as caught:
        Timm(name="test_vit")(InputShape(1, 3, 12, 12))
    assert "1 frame of 16x16" in caught.value.message


@pytest.mark.parametrize(
    ("name", "side"),
    [("swin_tiny_patch4_window7_224", 56), ("swinv2_cr_tiny_ns_224", 64), ("eva02_tiny_patch14_224", 56)],
)
def test_a_transformer_with_unsaved_buffers_is_built(name: str, side: int) -> None:
    model = Timm(name=name)(InputShape(2, 2, side, side)).eval()
    assert {key for key, _ in model.named_buffers()} - set(model.state_dict())
    with torch.no_grad():
        assert model(torch.zeros(1, 2, 2, side, side)).shape == (1, model.features)
    shapes = {"video": InputShape(2, 2, side, side)}
    whole = build_model(SingleStream(), Timm(name=name), shapes, 1, {"video": raw(2)}, seed=0)
    assert multiply_adds(whole, shapes) > 1e6


def test_a_size_that_windows_do_not_divide_is_refused() -> None:
    with refused("model.clip_size", names=("64x64",)) as caught:
        Timm(name="levit_128s")(InputShape(1, 2, 56, 56))
    assert "56x56" in caught.value.message
    assert "64x64" in caught.value.message
    assert Timm(name="levit_128s")(InputShape(1, 2, 64, 64)) is not None


def test_an_unknown_model_is_refused_with_a_suggestion() -> None:
    with refused("timm.unknown_model", where="model.backbone.name") as caught:
        Timm(name="resnet81")(SHAPE)
    assert "'resnet" in str(caught.value.hint)


def test_an_unknown_tag_is_refused_with_the_known_ones() -> None:
    with refused("weights.unknown_tag", where="model.weights") as caught:
        Timm().pretrained("imagenet")
    assert "a1_in1k" in str(caught.value.hint)
