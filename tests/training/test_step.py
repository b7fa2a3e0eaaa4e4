"""One optimizer step: penalties, accumulation, weight average, layer decay, clipping, compilation."""

from __future__ import annotations

import pytest
import torch

from echokit.training.callback import NoCallback
from tests.expect import refused

from .blobs import Tiny, train


def test_l2_penalty_acts_on_kernels_and_not_on_the_loss(tmp_path):
    with_penalty, without = Tiny(), Tiny()
    options = {"optimizer": {"use": "adam", "lr": 1e-3}, "epochs": 1, "batch_size": 64, "keep": "last"}
    a = train(tmp_path / "a", model=with_penalty, l2_conv=100.0, clip_gradients=None, **options)
    b = train(tmp_path / "b", model=without, l2_conv=0.0, clip_gradients=None, **options)
    assert a.history[0]["train_loss"] == b.history[0]["train_loss"]
    assert torch.equal(with_penalty.head.weight, without.head.weight)
    assert torch.equal(with_penalty.video.bias, without.video.bias)
    # With so strong a penalty the first step of Adam moves every kernel weight by lr towards 0.
    start = Tiny().video.weight
    torch.testing.assert_close(with_penalty.video.weight, start - 1e-3 * start.sign(), atol=1e-5, rtol=0)


def test_bfloat16_trains_float32_weights(tmp_path):
    model = Tiny()
    result = train(tmp_path, model=model, precision="bfloat16", epochs=1)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    other = train(tmp_path / "float32", precision="float32", epochs=1)
    assert result.history[0]["train_loss"] != other.history[0]["train_loss"]


def without_dropout(seed: int = 0) -> Tiny:
    """Build a model whose outputs do not depend on chance."""
    model = Tiny(seed)
    model.dropout.p = 0.0
    return model


def test_accumulated_batches_equal_one_large_batch(tmp_path):
    """Also with weighted losses, a last step that is not full and micro-batches of different sizes."""
    options = {"keep": "last", "augment": (), "bn": "frozen", "optimizer": {"use": "sgd", "lr": 0.1}}
    options["precision"] = "float32"
    one, many = without_dropout(), without_dropout()
    a = train(tmp_path / "one", model=one, batch_size=7, **options)
    b = train(tmp_path / "many", model=many, batch_size=3, accumulate=3, **options)
    c = train(tmp_path / "nine", model=(nine := without_dropout()), batch_size=9, **options)
    for first, second in zip(nine.parameters(), many.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-7)
    assert [r["train_loss"] for r in b.history] == pytest.approx([r["train_loss"] for r in c.history], rel=1e-5)
    assert a.history[-1]["train_loss"] != pytest.approx(b.history[-1]["train_loss"], rel=1e-5)


def test_averaged_weights_are_validated_and_selected(tmp_path):
    options = {"keep": "last", "epochs": 2, "optimizer": {"use": "sgd", "lr": 0.05}}
    plain, averaged = Tiny(), Tiny()
    a = train(tmp_path / "plain", model=plain, **options)
    b = train(tmp_path / "averaged", model=averaged, ema={"decay": 0.5}, **options)
    assert [r["train_loss"] for r in a.history] == [r["train_loss"] for r in b.history]
    assert [r["val_loss"] for r in a.history] != [r["val_loss"] for r in b.history]
    weights = HeadRecorder()
    train(tmp_path / "steps", model=weights.model, callback=weights, **options)
    expected = Tiny().head.weight.detach()
    for n, after in enumerate(weights.seen, 1):
        keep = min(0.5, (1 + n) / (10 + n))
        expected = keep * expected + (1 - keep) * after
    torch.testing.assert_close(averaged.head.weight.detach(), expected)


class HeadRecorder(NoCallback):
    """Record the weights of the head after every step."""

    def __init__(self) -> None:
        self.model, self.seen = Tiny(), []

    def on_step_end(self, progress):
        self.seen.append(self.model.head.weight.detach().clone())


def test_layer_decay_scales_the_steps_of_the_optimizer(tmp_path):
    model = Tiny()
    one = {"epochs": 1, "batch_size": 64, "keep": "last", "l2_conv": 0.0, "clip_gradients": None, "augment": ()}
    train(tmp_path, model=model, optimizer={"lr": 1e-3}, layer_decay=0.5, **one)
    moved = [(a - b).detach().abs().max() for a, b in zip(model.parameters(), Tiny().parameters(), strict=True)]
    # Adam's first step is of the size of its rate: layers are video, flow, norm, and the head.
    assert [float(m) for m in moved] == pytest.approx([1.25e-4] * 2 + [2.5e-4] * 2 + [5e-4] * 2 + [1e-3] * 2, rel=0.02)


def test_compile_option_reaches_torch_compile(tmp_path, monkeypatch):
    """The compiler itself is torch's to test, and takes a minute."""
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda model: compiled.append(model) or model)
    model = Tiny()
    train(tmp_path / "a", model=model, compile=True, epochs=1)
    assert compiled == [model]


def test_compiler_failure_is_explained(tmp_path, monkeypatch):
    def broken(graph, inputs):
        raise RuntimeError("No working C++ compiler found")

    compile_by = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model: compile_by(model, backend=broken))
    with refused("train.compile_failed", where="train.compile") as error:
        train(tmp_path / "a", compile=True, epochs=1)
    assert "No working C++ compiler found" in error.value.message
    torch.compiler.reset()


def test_gradients_are_clipped_by_their_total_norm(tmp_path):
    model = Tiny()
    one = {"epochs": 1, "batch_size": 64, "keep": "last", "l2_conv": 0.0, "augment": ()}
    train(tmp_path, model=model, optimizer={"use": "sgd", "lr": 1.0}, clip_gradients=1e-3, **one)
    moved = [(a - b).detach().square().sum() for a, b in zip(model.parameters(), Tiny().parameters(), strict=True)]
    assert float(sum(moved).sqrt()) == pytest.approx(1e-3, rel=0.01)
