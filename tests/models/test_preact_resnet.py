"""Pre-activation ResNets match the reference study to the last parameter."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from echokit.models.backbones.preact_blocks import PreActResNet3D
from echokit.models.backbones.preact_resnet import PreActResNet, ResNet18, ResNet34, ResNet50, ResNet101, ResNet152
from echokit.models.cost import count_parameters, multiply_adds
from echokit.models.echo_model import EchoModel, build_model
from echokit.models.fusions.fusions import TwoStream
from echokit.models.input_shape import InputShape
from echokit.models.norm import raw
from tests.expect import refused


def study_model(backbone: PreActResNet, side: int = 112) -> tuple[EchoModel, dict[str, InputShape]]:
    shapes = {"video": InputShape(1, 38, side, side), "flow": InputShape(2, 37, side, side)}
    with torch.device("meta"):
        return build_model(TwoStream(), backbone, shapes, 2, {"video": raw(1), "flow": raw(2)}, seed=0), shapes


def test_resnet18_has_the_parameters_of_the_reference_study() -> None:
    model, _ = study_model(ResNet18())
    assert count_parameters(model) == (66_350_018, 15_616)
    backbones = model.get_submodule("fused.backbones")
    assert count_parameters(backbones.get_submodule("video"))[0] == 33_163_008
    assert count_parameters(backbones.get_submodule("flow"))[0] == 33_184_960
    assert count_parameters(model.head)[0] == 2_050


def test_resnet152_has_234886082_parameters() -> None:
    model, _ = study_model(ResNet152())
    assert count_parameters(model)[0] == 234_886_082


@pytest.mark.parametrize(("side", "giga"), [(112, 100.6), (56, 25.7), (28, 6.66)])
def test_resnet18_has_the_multiply_adds_of_the_study(side: int, giga: float) -> None:
    model, shapes = study_model(ResNet18(), side)
    model.train()
    assert multiply_adds(model, shapes) / 1e9 == pytest.approx(giga, rel=0.002)
    assert model.training


def test_multiply_adds_of_a_convolution_by_hand() -> None:
    class Fused(nn.Module):
        features = 4

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3d(1, 4, 3, padding=1)

        def forward(self, streams: dict[str, torch.Tensor]) -> torch.Tensor:
            answer: torch.Tensor = self.conv(streams["video"])
            return answer.mean((2, 3, 4))

    model = EchoModel(Fused(), 2, {"video": raw(1)})
    assert multiply_adds(model, {"video": InputShape(1, 5, 6, 7)}) == 5 * 6 * 7 * 27 * 4 + 4 * 2


@pytest.mark.parametrize(
    ("backbone", "depth"),
    [(ResNet18(), 18), (ResNet34(), 34), (ResNet50(), 50), (ResNet101(), 101), (ResNet152(), 152)],
)
def test_the_depth_is_the_number_of_layers_on_the_longest_path(backbone: PreActResNet, depth: int) -> None:
    with torch.device("meta"):
        module = backbone(InputShape(1, 38, 56, 56))
    convolutions = [layer for name, layer in module.named_modules() if isinstance(layer, nn.Conv3d)]
    bare = [
        name for name, layer in module.named_modules() if name.endswith("shortcut") and isinstance(layer, nn.Conv3d)
    ]
    assert len(convolutions) - len(bare) + 1 == depth
    assert len(bare) == (4 if backbone.bottleneck else 3)
    assert all(layer.bias is not None for layer in convolutions)


def test_the_stages_have_the_shapes_of_the_reference_study() -> None:
    module = ResNet18()(InputShape(1, 9, 32, 32)).eval()
    assert isinstance(module, PreActResNet3D)
    sizes: list[tuple[int, ...]] = []
    module.stem.register_forward_hook(lambda _m, _i, out: sizes.append(tuple(out.shape)))
    for stage in module.stages:
        stage.register_forward_hook(lambda _m, _i, out: sizes.append(tuple(out.shape)))
    with torch.no_grad():
        module(torch.rand(1, 1, 9, 32, 32))
    assert sizes == [
        (1, 64, 5, 16, 16),  # the max-pool does not shrink
        (1, 64, 5, 16, 16),
        (1, 128, 3, 8, 8),
        (1, 256, 2, 4, 4),
        (1, 512, 1, 2, 2),
    ]
    first = module.get_submodule("stages.0.0.body.0")
    assert [name for name, _ in first.named_children()] == ["conv"]
    later = module.get_submodule("stages.0.0.body.1")
    assert [name for name, _ in later.named_children()] == ["norm", "relu", "conv"]


def test_a_residual_block_adds_its_unchanged_input() -> None:
    module = ResNet18()(InputShape(1, 4, 16, 16)).eval()
    block = module.get_submodule("stages.0.1")
    x = torch.randn(2, 64, 2, 3, 3)
    before = x.clone()
    with torch.no_grad():
        added = block(x) - block.get_submodule("body")(x)
    torch.testing.assert_close(added, before, rtol=0, atol=1e-5)
    assert torch.equal(x, before)  # nothing in place reaches the input, which the shortcut needs


def test_in_place_operations_do_not_change_gradients() -> None:
    torch.manual_seed(0)
    module = ResNet18()(InputShape(1, 3, 16, 16)).double()
    assert isinstance(module, PreActResNet3D)
    x = torch.randn(2, 1, 3, 16, 16, dtype=torch.float64)
    weight = module.get_parameter("stages.1.0.body.0.conv.weight")

    def loss() -> torch.Tensor:
        answer: torch.Tensor = module(x).square().mean()
        return answer

    torch.autograd.backward(loss())
    assert weight.grad is not None
    index = (3, 2, 1, 1, 1)
    step = 1e-5
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[index] += sign * step
            ends.append(loss())
            weight[index] -= sign * step
    numeric = (ends[0] - ends[1]) / (2 * step)
    torch.testing.assert_close(weight.grad[index], numeric, rtol=1e-4, atol=1e-10)


def test_convolutions_are_initialised_he_normal_biases_zero() -> None:
    torch.manual_seed(0)
    module = ResNet18()(InputShape(1, 38, 56, 56))
    conv = module.get_submodule("stages.2.1.body.1.conv")
    assert isinstance(conv, nn.Conv3d)
    assert conv.bias is not None
    std = math.sqrt(2 / (256 * 27))
    assert conv.weight.std().item() == pytest.approx(std, rel=0.01)
    assert conv.weight.mean().item() == pytest.approx(0, abs=std / 100)
    assert conv.weight.abs().max().item() <= 2 * std / 0.8796
    assert not conv.bias.any()


def test_cnn_dropout_is_before_convolutions_and_off_in_eval() -> None:
    shape = InputShape(1, 3, 16, 16)
    module = ResNet18(dropout=0.5)(shape)
    unit = module.get_submodule("stages.1.0.body.1")
    assert [name for name, _ in unit.named_children()] == ["norm", "relu", "dropout", "conv"]
    plain = ResNet18()(shape)
    plain.load_state_dict(module.state_dict())  # dropout has no weights: a fine-tuned model reads the frozen one's
    x = torch.rand(2, 1, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(module.eval()(x), plain.eval()(x))
        assert not torch.equal(module.train()(x), module(x))


@pytest.mark.parametrize("shape", [InputShape(1, 38, 15, 112), InputShape(1, 38, 112, 8), InputShape(2, 0, 112, 112)])
def test_clips_that_are_too_small_are_refused(shape: InputShape) -> None:
    with refused("model.clip_too_small", names=("16x16",)) as caught:
        ResNet18()(shape)
    assert "1 frame of 16x16" in caught.value.message


def test_components_import_no_heavy_library() -> None:
    code = (
        "import sys, echokit.models.backbones.preact_resnet, echokit.models.fusions.fusions, echokit.models.norm,"
        " echokit.training.objectives.cross_entropy\n"
        "print([heavy for heavy in ('torch', 'cv2', 'pandas', 'scipy', 'sklearn') if heavy in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
