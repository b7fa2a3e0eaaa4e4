"""Objectives that estimate EF: losses as in torch, sums, initial bias, scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from echokit.data.cohort.targets import Targets
from echokit.pipeline.fold_files import summarize_targets, targets_like
from echokit.training.objectives.cross_entropy import CrossEntropy
from echokit.training.objectives.ef_regression import EfRegression
from echokit.training.objectives.multi_task import MultiTask
from tests.expect import refused

EF = np.array([22.0, 35.0, 48.0, 50.0, 55.0, 60.0, 61.0, 64.0, 70.0, 75.0])
TRAINING = Targets((EF < 50).astype(np.int64), EF, 50.0, quantity=True)
TORCH = {
    "mse": functional.mse_loss,
    "l1": functional.l1_loss,
    "huber": lambda a, b: functional.huber_loss(a, b, delta=5.0),
}

cases = st.lists(st.tuples(st.floats(-200, 300, width=32), st.floats(5, 95, width=32)), min_size=2, max_size=9)
losses = st.sampled_from(["mse", "l1", "huber"])


@given(cases, losses)
@settings(max_examples=60, deadline=None)
def test_loss_agrees_with_torch_and_its_gradient_is_finite(rows: list[tuple[float, float]], loss: Any) -> None:
    outputs, value = torch.tensor([[a] for a, _ in rows], requires_grad=True), torch.tensor([b for _, b in rows])
    total, weight = EfRegression(loss=loss)(TRAINING).loss(outputs, (value < 50).long(), value)
    assert total.shape == weight.shape == ()
    torch.testing.assert_close(total / weight, TORCH[loss](outputs[:, 0], value))
    torch.autograd.backward(total)
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()


@given(cases, losses, st.integers(1, 8), st.booleans(), st.sampled_from([None, "balanced", (1.0, 9.0)]))
@settings(max_examples=60, deadline=None)
def test_sums_over_parts_of_a_batch_add_up(
    rows: list[tuple[float, float]], loss: Any, cut: int, both: bool, class_weights: Any
) -> None:
    component = MultiTask(loss=loss, class_weights=class_weights) if both else EfRegression(loss=loss)
    objective = component(TRAINING)
    value = torch.tensor([b for _, b in rows])
    outputs = torch.tensor([[a / 50, a] for a, _ in rows])[:, -objective.outputs :]
    y_true = (value < 50).long()
    whole = objective.loss(outputs, y_true, value)
    parts = [objective.loss(outputs[s], y_true[s], value[s]) for s in (slice(None, cut), slice(cut, None))]
    for one, first, second in zip(whole, *parts, strict=True):
        torch.testing.assert_close(one, first + second, rtol=1e-5, atol=1e-4)


def test_both_losses_by_hand() -> None:
    objective: Any = MultiTask(classification=2.0, regression=3.0, class_weights="balanced")(TRAINING)
    outputs, y_true, value = torch.tensor([[0.4, 52.0], [-1.0, 41.0]]), torch.tensor([0, 1]), torch.tensor([60.0, 40.0])
    w0, w1 = 10 / 14, 10 / 6
    classes = w0 * np.log1p(np.exp(0.4)) + w1 * np.log1p(np.exp(1.0))
    values = (8.0**2 + 1.0) / EF.var()
    total, weight = objective.loss(outputs, y_true, value)
    assert weight == 2
    assert float(total) == pytest.approx(2 * classes + 3 * values, rel=1e-5)
    assert objective.score(outputs)[0].item() == pytest.approx(1 / (1 + np.exp(-0.4 + np.log(w1 / w0))), rel=1e-5)
    assert objective.predict(outputs).tolist() == [52.0, 41.0]
    assert objective.probability


@pytest.mark.parametrize("loss", ["mse", "l1", "huber"])
@pytest.mark.parametrize("class_weights", [None, (1.0, 9.0), "balanced"])
def test_loss_of_the_training_mean_is_one_in_any_unit(loss: Any, class_weights: Any) -> None:
    objective = MultiTask(classification=1e-9, loss=loss, class_weights=class_weights)(TRAINING)
    outputs = torch.tensor([objective.initial_bias]).expand(len(EF), 2)
    total, weight = objective.loss(outputs, torch.from_numpy(TRAINING.y_true), torch.from_numpy(EF).float())
    assert float(total / weight) == pytest.approx(1.0, rel=1e-5)


class CopyRecorder(TorchFunctionMode):
    """Record the calls that would copy numbers from the CPU to the device."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.tensor, torch.as_tensor, torch.from_numpy, torch.Tensor.to, torch.Tensor.new_tensor):
            self.calls.append(func.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("component", [EfRegression(), MultiTask(), CrossEntropy(class_weights="balanced")])
def test_losses_copy_no_numbers_to_the_device(component: Any) -> None:
    """A copy would wait for the forward pass."""
    objective = component(TRAINING)
    outputs, y_true, value = (
        torch.zeros(3, objective.outputs),
        torch.tensor([1, 1, 0]),
        torch.tensor([30.0, 40.0, 60.0]),
    )
    with CopyRecorder() as recorder:
        objective.loss(outputs, y_true, value)
    assert recorder.calls == []


def test_head_starts_at_the_mean() -> None:
    from echokit.models.backbones.preact_resnet import ResNet18
    from echokit.models.echo_model import build_model
    from echokit.models.fusions.fusions import SingleStream
    from echokit.models.input_shape import InputShape
    from echokit.models.norm import Norm

    objective = EfRegression()(TRAINING)
    assert objective.initial_bias == (pytest.approx(54.0),)
    assert MultiTask()(TRAINING).initial_bias == (0.0, pytest.approx(54.0))
    shapes = {"video": InputShape(1, 4, 16, 16)}
    model = build_model(SingleStream(), ResNet18(width=4), shapes, 1, {"video": Norm((0.0,), (1.0,))}, seed=0)
    before = model.head.weight.clone()
    model.set_head_bias(objective.initial_bias or ())
    assert model.head.bias.tolist() == [54.0]
    assert torch.equal(model.head.weight, before)


def test_score_is_the_distance_below_the_cutoff() -> None:
    objective = EfRegression()(TRAINING)
    outputs = torch.tensor([[38.5], [50.0], [71.0]])
    assert not objective.probability
    assert objective.threshold == 0.0
    assert objective.score(outputs).tolist() == [11.5, 0.0, -21.0]
    estimate = objective.predict(outputs)
    assert estimate is not None
    assert estimate.tolist() == [38.5, 50.0, 71.0]
    assert EfRegression(calibrate=None)(TRAINING).calibrator is None


@pytest.mark.parametrize("component", [EfRegression(), MultiTask(), MultiTask(class_weights="balanced")])
def test_objective_from_a_checkpoint_summary_gives_equal_scores(component: Any) -> None:
    rows = np.arange(len(EF))
    again, first = component(targets_like(summarize_targets(TRAINING, rows))), component(TRAINING)
    outputs = torch.randn(20, first.outputs) * 30
    assert torch.equal(again.score(outputs), first.score(outputs))
    assert torch.equal(again.predict(outputs), first.predict(outputs))
    assert again.threshold == first.threshold
    assert again.probability == first.probability


@pytest.mark.parametrize("component", [EfRegression(), MultiTask()])
def test_target_without_a_cutoff_is_refused(component: Any) -> None:
    above = Targets(TRAINING.y_true, EF, None, quantity=True)
    unknown = Targets(TRAINING.y_true, np.where(EF > 70, np.nan, EF), 50.0, quantity=True)
    for targets in (above, unknown):
        with refused("objective.no_cutoff", where="target"):
            component(targets)


def test_single_training_value_is_refused_by_multi_task() -> None:
    same = Targets(np.array([0, 1, 0]), np.full(3, 44.0), 50.0, quantity=True)
    objective = EfRegression()(same)
    assert objective.initial_bias == (44.0,)
    total, _ = objective.loss(torch.full((3, 1), 44.0), torch.tensor([0, 1, 0]), torch.full((3,), 44.0))
    assert total == 0
    with refused("objective.one_value", where="target"):
        MultiTask()(same)
