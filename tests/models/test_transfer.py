"""Initial weights: tensors that fit are copied, others adapted or skipped, and all are reported."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from echokit.models.echo_model import EchoModel, build_model
from echokit.models.fusions.fusions import SingleStream, TwoStream
from echokit.models.input_shape import InputShape
from echokit.models.norm import raw
from echokit.models.weights.transfer import apply_weights, renamed
from echokit.plugins.discovery import installed
from tests.expect import refused


def small_model() -> nn.Module:
    return nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4), nn.Flatten(), nn.Linear(4, 2))


def test_all_tensors_of_a_matching_file_are_loaded() -> None:
    source, target = small_model(), small_model()
    report = apply_weights(target, source.state_dict())
    assert report.complete
    assert set(report.loaded) == set(source.state_dict())
    assert all(torch.equal(target.state_dict()[name], value) for name, value in source.state_dict().items())


def test_every_tensor_is_in_the_report() -> None:
    tensors = {**small_model().state_dict(), "extra": torch.zeros(1)}
    del tensors["1.bias"]
    grey = nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.Flatten(), nn.Linear(4, 1))
    before = {name: value.clone() for name, value in grey.state_dict().items()}
    report = apply_weights(grey, tensors)
    assert set(report.adapted) == {"0.weight"}
    assert set(report.skipped) == {"3.weight", "3.bias", "extra"}
    assert report.missing == ("1.bias",)
    assert not report.complete
    assert set(report.loaded) == {
        "0.bias",
        "1.weight",
        "1.running_mean",
        "1.running_var",
        "1.num_batches_tracked",
    }
    assert torch.equal(grey.state_dict()["3.weight"], before["3.weight"])
    for name in ("0.weight", "3.weight", "extra", "1.bias"):
        assert name in str(report)
    assert report.share == pytest.approx((4 * 27 * 1 + 4 + 4) / (4 * 27 + 4 + 8 + 5))


@pytest.mark.parametrize("channels", [1, 2])
def test_an_adapted_convolution_has_the_same_output_for_grey(channels: int) -> None:
    source, target = nn.Conv3d(3, 4, 3), nn.Conv3d(channels, 4, 3)
    apply_weights(target, source.state_dict())
    grey = torch.rand(2, 1, 4, 5, 5)
    same = target(grey.expand(-1, channels, -1, -1, -1))
    torch.testing.assert_close(same, source(grey.expand(-1, 3, -1, -1, -1)))


def test_weights_of_another_model_are_refused() -> None:
    with refused("weights.no_match", where="model.weights"):
        apply_weights(small_model(), {"body.weight": torch.zeros(1)})


def test_an_inflated_2d_kernel_has_the_same_output_when_still() -> None:
    flat, deep = nn.Conv2d(3, 4, 3), nn.Conv3d(1, 4, (5, 3, 3))
    report = apply_weights(deep, flat.state_dict())
    assert report.adapted == {"weight": "2D kernel inflated over 5 frames, 3 input channels to 1"}
    assert report.loaded == ("bias",)
    grey = torch.rand(2, 1, 6, 6)
    still = grey.unsqueeze(2).expand(-1, -1, 5, -1, -1)
    torch.testing.assert_close(deep(still).squeeze(2), flat(grey.expand(-1, 3, -1, -1)))


def test_inner_channels_of_another_width_are_not_adapted() -> None:
    with refused("weights.no_match", where="model.weights"):
        apply_weights(nn.Conv3d(16, 4, 3, bias=False), nn.Conv3d(8, 4, 3, bias=False).state_dict())


def test_counters_alone_do_not_count_as_weights() -> None:
    """The number of batches of a batch norm is a scalar: it fits any model."""
    with refused("weights.no_match", where="model.weights"):
        apply_weights(nn.BatchNorm3d(4), nn.BatchNorm3d(8).state_dict())


class Library(nn.Module):
    """A backbone around a small library model."""

    features = 3

    def __init__(self, shape: InputShape) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(shape.channels, 3, 1), nn.BatchNorm3d(3))

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.body(x)
        return answer.mean((2, 3, 4))


SHAPES = {"video": InputShape(1, 3, 4, 4), "flow": InputShape(2, 2, 4, 4)}


def library_model(fusion: TwoStream | SingleStream, outputs: int = 1) -> EchoModel:
    return build_model(fusion, Library, SHAPES, outputs, {"video": raw(1), "flow": raw(2)}, 0)


def zoo() -> dict[str, Tensor]:
    return nn.Sequential(nn.Conv3d(3, 3, 1), nn.BatchNorm3d(3), nn.Linear(3, 1)).state_dict()


def test_library_names_are_matched_in_every_stream() -> None:
    model, tensors = library_model(TwoStream()), zoo()
    report = apply_weights(model, renamed(model, tensors))
    for stream, channels in (("video", 1), ("flow", 2)):
        prefix = f"fused.backbones.{stream}.body."
        assert report.adapted[f"{prefix}0.weight"] == f"3 input channels to {channels}"
        assert torch.equal(model.state_dict()[f"{prefix}1.weight"], tensors["1.weight"])
    assert set(report.skipped) == {"2.weight", "2.bias"}
    assert report.share == 1


def test_a_library_head_is_loaded_only_if_requested() -> None:
    model, tensors = library_model(SingleStream()), zoo()
    assert "head.weight" not in renamed(model, tensors)
    report = apply_weights(model, renamed(model, tensors, head=True))
    assert {"head.weight", "head.bias"} <= set(report.loaded)
    assert torch.equal(model.head.weight, tensors["2.weight"])


def test_echokit_weights_keep_their_names() -> None:
    source, target = library_model(TwoStream()), library_model(SingleStream())
    report = apply_weights(target, renamed(target, source.state_dict()), {"head.": "a new head"})
    assert report.share == 1
    assert report.skipped["head.weight"] == "a new head"
    assert {name.split(".")[2] for name in report.skipped if name.startswith("fused.")} == {"flow"}


def test_the_report_is_short_as_text_and_complete_as_json() -> None:
    tensors = {f"old.{number}": torch.zeros(1) for number in range(50)} | dict(small_model().state_dict())
    report = apply_weights(small_model(), tensors)
    assert len(str(report).splitlines()) == 2
    assert "50 skipped" in str(report)
    assert len(report.to_dict()["skipped"]) == 50


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(wrong: float) -> None:
    tensors = small_model().state_dict()
    tensors["0.weight"][0, 0, 0, 0, 0] = wrong
    with refused("weights.not_finite", where="model.weights") as caught:
        apply_weights(small_model(), tensors)
    assert "'0.weight'" in caught.value.message
    tensors["unused"] = tensors.pop("0.weight")
    assert apply_weights(nn.Sequential(nn.Identity(), nn.BatchNorm3d(4)), tensors).share == 1


def wide_model(width: int) -> nn.Module:
    return nn.Sequential(nn.Conv3d(1, 4, 1), nn.BatchNorm3d(4), nn.Conv3d(4, width, 1))


def test_few_matching_parameters_are_refused_or_warned_about() -> None:
    with refused("weights.few_match", where="model.weights") as caught:
        apply_weights(wide_model(100), wide_model(99).state_dict())
    assert "3.1%" in caught.value.message
    assert all(part in str(caught.value.hint) for part in ("2.weight", "99x4x1x1x1", "100x4x1x1x1"))
    few = apply_weights(wide_model(10), wide_model(9).state_dict())
    assert few.warning
    assert "24.2%" in few.warning
    assert apply_weights(wide_model(10), wide_model(10).state_dict()).warning is None


def test_the_report_has_whether_all_batch_norms_are_loaded() -> None:
    tensors = small_model().state_dict()
    assert apply_weights(small_model(), tensors).batch_norms
    del tensors["1.running_var"]
    assert not apply_weights(small_model(), tensors).batch_norms


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("r3d_18", "resnet18"),
        ("mc3_18", "resnet18"),
        ("c2d_r50", "resnet50"),
        ("i3d_r50", "resnet50"),
        ("slow_r50", "resnet50"),
    ],
)
@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_an_image_resnet_initialises_a_video_resnet(name: str, image: str, library: str) -> None:
    with torch.device("meta"):  # names and shapes are enough
        trained = timm.create_model(image) if library == "timm" else torchvision.models.get_model(image)
    tensors = {key: torch.zeros(tensor.shape, dtype=tensor.dtype) for key, tensor in trained.state_dict().items()}
    backbone = installed().registry.get("backbone", name).load()()
    model = build_model(SingleStream(), backbone, {"video": InputShape(1, 4, 32, 32)}, 2, {"video": raw(1)}, seed=0)
    report = apply_weights(model, renamed(model, tensors))
    assert report.share == 1.0
    assert set(report.skipped) == {"fc.weight", "fc.bias"}


def test_c2d_with_image_weights_has_the_same_output_when_still() -> None:
    trained = torchvision.models.resnet50(num_classes=3).eval()
    trained.fc = nn.Identity()
    backbone = installed().registry.get("backbone", "c2d_r50").load()()
    model = build_model(SingleStream(), backbone, {"video": InputShape(1, 4, 64, 64)}, 2, {"video": raw(1)}, seed=0)
    apply_weights(model, renamed(model, trained.state_dict()))
    picture = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        still = model.eval().fused.backbones["video"](picture[:, :, None].expand(-1, -1, 4, -1, -1))
        torch.testing.assert_close(still, trained(picture.expand(-1, 3, -1, -1)), rtol=1e-3, atol=1e-4)


def test_position_embeddings_are_resampled_for_another_size() -> None:
    large, small = (timm.create_model("test_vit", img_size=side, num_classes=0) for side in (160, 96))
    report = apply_weights(small, large.state_dict())
    assert report.adapted == {"pos_embed": "positions resampled from 10x10 to 6x6"}
    assert report.share == 1.0
    expected = timm.layers.resample_abs_pos_embed(large.pos_embed, (6, 6), num_prefix_tokens=1)
    torch.testing.assert_close(small.pos_embed, expected)


@pytest.mark.parametrize(("name", "image"), [("r3d_18", "resnet50"), ("slow_r50", "resnet18")])
def test_an_image_resnet_of_other_layers_is_refused(name: str, image: str) -> None:
    backbone = installed().registry.get("backbone", name).load()()
    model = build_model(SingleStream(), backbone, {"video": InputShape(1, 4, 32, 32)}, 2, {"video": raw(1)}, seed=0)
    with refused("weights.no_match", where="model.weights"):
        apply_weights(model, renamed(model, torchvision.models.get_model(image).state_dict()))
