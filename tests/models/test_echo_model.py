"""Complete model: normalisation, padding, head, seed, autocast, saving and loading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from echokit.models.backbones.preact_resnet import PreActResNet, ResNet18, ResNet34, ResNet50, ResNet101, ResNet152
from echokit.models.echo_model import EchoModel, build_model
from echokit.models.fusions.fusions import SingleStream, TwoStream
from echokit.models.input_shape import InputShape
from echokit.models.norm import Norm, raw
from echokit.models.weights.transfer import apply_weights
from echokit.models.weights.weight_files import load_weights, save_tensors
from tests.expect import refused

SHAPES = {"video": InputShape(1, 3, 16, 16), "flow": InputShape(2, 2, 16, 16)}
NORMS = {"video": Norm((33.0,), (50.0,)), "flow": Norm((0.1, -0.2), (1.5, 2.0))}
QUICK = {(ResNet18, "two"), (ResNet18, "video"), (ResNet50, "flow")}  # both kinds of block, every fusion
PAIRS = [
    pytest.param(
        backbone,
        fusion,
        id=f"{type(backbone).__name__}-{name}",
        marks=[] if (type(backbone), name) in QUICK else [pytest.mark.slow],
    )
    for backbone in (ResNet18(), ResNet34(), ResNet50(), ResNet101(), ResNet152())
    for name, fusion in (
        ("two", TwoStream()),
        ("video", SingleStream()),
        ("flow", SingleStream(stream="flow")),
    )
]


class Tiny(nn.Module):
    """A backbone of one convolution."""

    features = 3

    def __init__(self, shape: InputShape) -> None:
        super().__init__()
        self.conv = nn.Conv3d(shape.channels, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.conv(x)
        return answer.relu().mean((2, 3, 4))


def a_batch(size: int = 2, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    streams = {
        "video": torch.randint(0, 256, (size, 1, 3, 16, 16), generator=generator).float(),
        "flow": torch.randn(size, 2, 2, 16, 16, generator=generator),
    }
    return streams, {name: torch.ones(size, stream.shape[2], dtype=torch.bool) for name, stream in streams.items()}


def tiny_model(fusion: TwoStream | SingleStream | None = None, seed: int = 0) -> EchoModel:
    return build_model(fusion or TwoStream(), Tiny, SHAPES, 2, NORMS, seed)


@pytest.mark.parametrize(("backbone", "fusion"), PAIRS)
def test_every_depth_gets_gradients_in_every_fusion(backbone: PreActResNet, fusion: TwoStream | SingleStream) -> None:
    model = build_model(fusion, backbone, SHAPES, 2, NORMS, seed=1)
    outputs = model(*a_batch())
    assert outputs.shape == (2, 2)
    assert outputs.dtype == torch.float32
    torch.autograd.backward(outputs.square().sum())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_a_saved_and_loaded_model_has_the_same_outputs(tmp_path: Path) -> None:
    model = build_model(TwoStream(), ResNet18(), SHAPES, 2, NORMS, seed=1)
    batch = a_batch()
    with torch.no_grad():
        model(*batch)  # moves the BN statistics off their start
    save_tensors(tmp_path / "w.safetensors", model.state_dict(), {})
    with torch.device("meta"):
        other = build_model(TwoStream(), ResNet18(), SHAPES, 2, NORMS, seed=2)
    other = other.to_empty(device="cpu")
    assert apply_weights(other, load_weights(tmp_path / "w.safetensors")[0]).complete
    with torch.no_grad():
        assert torch.equal(other.eval()(*batch), model.eval()(*batch))


def test_features_are_concatenated_in_the_order_video_flow() -> None:
    model = tiny_model()
    streams, valid = a_batch()
    features = model.encode(streams, valid)
    assert features.shape == (2, 6)
    streams["flow"] = streams["flow"] + 1
    changed = model.encode(streams, valid)
    assert torch.equal(changed[:, :3], features[:, :3])
    assert not torch.equal(changed[:, 3:], features[:, 3:])


def test_the_order_of_the_stream_shapes_does_not_matter() -> None:
    turned = build_model(TwoStream(), Tiny, dict(reversed(SHAPES.items())), 2, NORMS, seed=0)
    batch = a_batch()
    assert torch.equal(turned(*batch), tiny_model()(*batch))


def test_a_single_stream_ignores_the_others() -> None:
    model = tiny_model(SingleStream())
    streams, valid = a_batch()
    assert torch.equal(model(streams, valid), model({"video": streams["video"]}, {"video": valid["video"]}))
    assert model.streams == ("video",)
    assert not any("flow" in name for name in model.state_dict())


def test_missing_and_surplus_streams_are_refused() -> None:
    video = {"video": SHAPES["video"]}
    with refused("fusion.missing_stream") as caught:
        TwoStream()(video, Tiny)
    assert "optical_flow" in str(caught.value.hint)
    with refused("fusion.other_streams"):
        TwoStream()({**SHAPES, "depth": SHAPES["video"]}, Tiny)
    with refused("fusion.missing_stream", names=("'flow'", "video")) as caught:
        SingleStream(stream="flow")(video, Tiny)
    assert "'flow'" in caught.value.message
    assert "optical_flow" in str(caught.value.hint)
    with refused("fusion.missing_stream", names=("'video'",)) as caught:
        SingleStream(stream="vidio")(video, Tiny)
    assert "'video'" in str(caught.value.hint)


def test_a_missing_norm_or_number_of_features_is_refused() -> None:
    with refused("model.missing_norm", names=("flow",)) as caught:
        build_model(TwoStream(), Tiny, SHAPES, 2, {"video": raw(1)}, 0)
    assert "flow" in caught.value.message
    with refused("model.no_features") as caught:
        build_model(TwoStream(), lambda shape: nn.Flatten(), SHAPES, 2, NORMS, 0)
    assert "backbone Flatten" in caught.value.message
    with refused("model.no_features") as caught:
        EchoModel(nn.Flatten(), 2, NORMS)
    assert "fusion Flatten" in caught.value.message


@pytest.mark.parametrize("fmt", [torch.contiguous_format, torch.channels_last_3d])
def test_normalisation_is_per_channel_and_zeroes_padding(fmt: torch.memory_format) -> None:
    model = tiny_model()
    streams, valid = a_batch()
    valid["flow"][1, 1] = False
    normal = model.normalise("flow", streams["flow"].contiguous(memory_format=fmt), valid["flow"])
    mean, std = (np.array(part, dtype=np.float32).reshape(1, 2, 1, 1, 1) for part in ([0.1, -0.2], [1.5, 2.0]))
    expected = (streams["flow"].numpy() - mean) / std
    expected[1, :, 1] = 0
    np.testing.assert_array_equal(normal.numpy(), expected)


@given(padding=st.floats(width=32, allow_nan=True, allow_infinity=True))
@settings(max_examples=25, deadline=None)
def test_the_values_of_padded_frames_do_not_matter(padding: float) -> None:
    model = tiny_model()
    streams, valid = a_batch()
    valid["video"][0, 1:] = False
    expected = model(streams, valid)
    streams["video"][0, :, 1:] = padding
    assert torch.equal(model(streams, valid), expected)


def test_a_padding_mask_of_another_length_is_refused() -> None:
    streams, valid = a_batch()
    with pytest.raises(ValueError, match="flow"):
        tiny_model()(streams, {**valid, "flow": valid["flow"][:, :1]})


def test_raw_normalisation_is_the_identity() -> None:
    model = build_model(SingleStream(), Tiny, SHAPES, 2, {"video": raw(1)}, 0)
    streams, valid = a_batch()
    assert torch.equal(model.normalise("video", streams["video"], valid["video"]), streams["video"])


@pytest.mark.parametrize("std", [0.0, -1.0, float("nan"), float("inf")])
def test_a_standard_deviation_that_is_not_positive_is_refused(std: float) -> None:
    with refused("norm.not_usable"):
        Norm((0.0,), (std,))


def test_the_weights_include_the_normalisation(tmp_path: Path) -> None:
    save_tensors(tmp_path / "w", tiny_model().state_dict(), {})
    other = build_model(TwoStream(), Tiny, SHAPES, 2, {"video": raw(1), "flow": raw(2)}, seed=3)
    apply_weights(other, load_weights(tmp_path / "w")[0])
    batch = a_batch()
    assert torch.equal(other(*batch), tiny_model()(*batch))


def test_outputs_do_not_depend_on_the_batch() -> None:
    model = build_model(TwoStream(), ResNet18(), SHAPES, 2, NORMS, seed=0).eval()
    streams, valid = a_batch(3)
    with torch.no_grad():
        together = model(streams, valid)
        alone = model({k: v[:1] for k, v in streams.items()}, {k: v[:1] for k, v in valid.items()})
    torch.testing.assert_close(alone, together[:1], rtol=1e-4, atol=1e-4)


def test_initial_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = tiny_model(seed=5)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = tiny_model(seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    other = tiny_model(seed=6)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    assert not torch.equal(first.head.weight, other.head.weight)


def test_autocast_applies_to_the_backbone_not_to_the_head() -> None:
    model = tiny_model()
    dtypes: dict[str, torch.dtype] = {}

    def record(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        return lambda _module, inputs, output: dtypes.update({f"{name} in": inputs[0].dtype, name: output.dtype})

    model.get_submodule("fused.backbones.flow").register_forward_hook(record("flow"))
    model.head.register_forward_hook(record("head"))
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(*a_batch())
    assert outputs.dtype == torch.float32
    assert dtypes == {
        "flow in": torch.bfloat16,
        "flow": torch.bfloat16,
        "head in": torch.float32,
        "head": torch.float32,
    }
    torch.testing.assert_close(outputs, model(*a_batch()), rtol=0.1, atol=0.05)


def test_fc_dropout_applies_before_the_head_in_training_only() -> None:
    model = tiny_model(TwoStream(dropout=0.5))
    batch = a_batch()
    assert torch.equal(model.encode(*batch), tiny_model().encode(*batch))
    features = torch.ones(64, 6)
    assert model.train().answer(features).std(0).min() > 0
    assert model.eval().answer(features).std(0).max() == 0


def test_the_head_is_initialised_glorot_uniform() -> None:
    fusion = SingleStream()
    model = build_model(fusion, ResNet18(), SHAPES, 2, NORMS, seed=0)
    limit = (6 / (512 + 2)) ** 0.5
    assert 0.95 * limit < model.head.weight.abs().max().item() <= limit
    assert not model.head.bias.any()


def test_a_2d_backbone_is_built() -> None:
    class PerFrame(Tiny):
        def __init__(self, shape: InputShape) -> None:
            super().__init__(shape)
            self.flat = nn.Conv2d(shape.channels, 3, 3)

        def forward(self, x: Tensor) -> Tensor:
            frames = x.transpose(1, 2).flatten(0, 1)
            answer: Tensor = self.flat(frames)
            return answer.view(len(x), -1, *answer.shape[1:]).mean((1, 3, 4))

    assert build_model(TwoStream(), PerFrame, SHAPES, 1, NORMS, 0)(*a_batch()).shape == (2, 1)
