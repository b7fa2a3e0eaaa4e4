"""Cross entropy agrees with torch, and reports correctly whether its score is a probability."""

from __future__ import annotations

import math
from typing import Any, get_type_hints

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch.nn import functional

from echokit.data.cohort.targets import Targets
from echokit.training.objectives.cross_entropy import CrossEntropy
from tests.expect import refused


def targets(negative: int, positive: int) -> Targets:
    y_true = np.repeat(np.array([0, 1]), [negative, positive])
    return Targets(y_true, np.full(len(y_true), np.nan))


ECHONET = targets(776, 224)
VALUE = torch.empty(0)

logits = st.lists(st.tuples(st.floats(-80, 80, width=32), st.floats(-80, 80, width=32)), min_size=1, max_size=8)
weights = st.sampled_from([None, "balanced", (0.644, 2.239), (3.0, 0.1)])


@given(logits, weights, st.floats(0, 0.9), st.data())
@settings(max_examples=60, deadline=None)
def test_loss_agrees_with_torch_and_its_gradient_is_finite(
    rows: list[tuple[float, float]], class_weights: Any, smoothing: float, data: st.DataObject
) -> None:
    outputs = torch.tensor(rows, requires_grad=True)
    y_true = torch.tensor(data.draw(st.lists(st.integers(0, 1), min_size=len(rows), max_size=len(rows))))
    objective = CrossEntropy(class_weights=class_weights, label_smoothing=smoothing)(ECHONET)
    total, weight = objective.loss(outputs, y_true, VALUE)
    w = {None: (1.0, 1.0), "balanced": (1000 / 1552, 1000 / 448)}.get(class_weights, class_weights)
    expected = functional.cross_entropy(outputs, y_true, torch.tensor(w), label_smoothing=smoothing)
    assert total.shape == weight.shape == ()
    torch.testing.assert_close(total / weight, expected)
    torch.autograd.backward(total)
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()


@given(logits, weights)
@settings(max_examples=30, deadline=None)
def test_sums_over_parts_of_a_batch_add_up(rows: list[tuple[float, float]], class_weights: Any) -> None:
    objective = CrossEntropy(class_weights=class_weights)(ECHONET)
    outputs = torch.tensor([*rows, (0.5, -0.5)])
    y_true = torch.arange(len(outputs)) % 2
    whole = objective.loss(outputs, y_true, VALUE)
    parts = [objective.loss(outputs[s], y_true[s], VALUE) for s in (slice(None, 1), slice(1, None))]
    for one, first, second in zip(whole, *parts, strict=True):
        torch.testing.assert_close(one, first + second)


@given(st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=8), weights, st.floats(0, 0.5))
@settings(max_examples=40, deadline=None)
def test_one_output_is_the_difference_of_two(numbers: list[float], class_weights: Any, smoothing: float) -> None:
    one, two = (
        CrossEntropy(outputs=n, class_weights=class_weights, label_smoothing=smoothing)(ECHONET) for n in (1, 2)
    )
    z = torch.tensor(numbers)[:, None]
    both = torch.cat([torch.zeros_like(z), z], 1)
    y_true = torch.arange(len(z)) % 2
    assert one.outputs == 1
    for a, b in zip(one.loss(z, y_true, VALUE), two.loss(both, y_true, VALUE), strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(one.score(z), two.score(both))


def test_one_output_is_binary_cross_entropy() -> None:
    z, y_true = torch.linspace(-5, 5, 6)[:, None], torch.tensor([0, 1, 1, 0, 1, 0])
    total, weight = CrossEntropy(outputs=1)(ECHONET).loss(z, y_true, VALUE)
    torch.testing.assert_close(total / weight, functional.binary_cross_entropy_with_logits(z[:, 0], y_true.float()))


def test_balanced_weights_agree_with_the_reference_study() -> None:
    # EchoNet-Dynamic's training split as the reference study used it: 22.33 % of 7,442 videos below EF 50.
    objective: Any = CrossEntropy(class_weights="balanced")(targets(5780, 1662))
    assert objective.weights == pytest.approx((0.644, 2.239), abs=5e-4)
    assert objective.shift == pytest.approx(1.246, abs=1e-3)


@given(logits, weights)
@settings(max_examples=40, deadline=None)
def test_score_is_a_probability_that_rises_with_the_logit(rows: list[tuple[float, float]], class_weights: Any) -> None:
    outputs = torch.tensor(rows)
    score = CrossEntropy(class_weights=class_weights)(ECHONET).score(outputs)
    assert score.shape == (len(rows),)
    assert score.dtype == torch.float32
    assert ((score >= 0) & (score <= 1)).all()
    order = (outputs[:, 1] - outputs[:, 0]).argsort()
    assert (score[order].diff() >= 0).all()


def test_without_weights_the_score_is_the_softmax() -> None:
    outputs = torch.randn(20, 2)
    objective = CrossEntropy()(ECHONET)
    assert objective.probability
    torch.testing.assert_close(objective.score(outputs), outputs.softmax(1)[:, 1])


@pytest.mark.parametrize("class_weights", [None, "balanced", (1.0, 7.0)])
@pytest.mark.parametrize("outputs", [1, 2])
def test_weighted_training_ends_at_the_true_frequency(class_weights: Any, outputs: Any) -> None:
    # A model without information about the case: the best constant score is the frequency of the positive class.
    cases = targets(30, 10)
    objective = CrossEntropy(outputs=outputs, class_weights=class_weights)(cases)
    constant = torch.zeros(1, outputs, requires_grad=True)
    y_true = torch.from_numpy(cases.y_true)
    optimiser: Any = torch.optim.LBFGS([constant], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimiser.zero_grad()
        total, weight = objective.loss(constant.expand(40, -1), y_true, VALUE)
        mean = total / weight
        torch.autograd.backward(mean)
        return mean.item()

    optimiser.step(closure)
    assert objective.probability
    assert objective.score(constant).item() == pytest.approx(0.25, abs=1e-3)


def test_score_with_a_shift_is_not_a_probability() -> None:
    outputs = torch.tensor([[0.0, math.log(2.239 / 0.644)]])
    removed = CrossEntropy(class_weights=(0.644, 2.239))(ECHONET)
    left = CrossEntropy(class_weights=(0.644, 2.239), remove_shift=False)(ECHONET)
    assert removed.probability
    assert removed.score(outputs).item() == pytest.approx(0.5)
    assert not left.probability
    assert left.score(outputs).item() == pytest.approx(0.777, abs=1e-3)
    assert CrossEntropy(remove_shift=False)(ECHONET).probability
    assert CrossEntropy(remove_shift=False, class_weights=(2.0, 2.0))(ECHONET).probability


@given(logits, weights, st.floats(0, 5))
@settings(max_examples=60, deadline=None)
def test_focal_loss_agrees_with_its_formula(rows: list[tuple[float, float]], class_weights: Any, gamma: float) -> None:
    outputs = torch.tensor(rows, requires_grad=True)
    y_true = torch.arange(len(rows)) % 2
    objective: Any = CrossEntropy(class_weights=class_weights, focal=gamma)(ECHONET)
    total, weight = objective.loss(outputs, y_true, VALUE)
    p = outputs.detach().double().softmax(1)
    w = torch.tensor(objective.weights).double()[y_true]
    true, other = p[range(len(rows)), y_true], p[range(len(rows)), 1 - y_true]
    log_true = outputs.detach().double().log_softmax(1)[range(len(rows)), y_true]
    torch.testing.assert_close(total.double(), (-w * other**gamma * log_true).sum(), rtol=1e-4, atol=1e-6)
    assert true.isfinite().all()
    torch.testing.assert_close(weight.double(), w.sum())
    torch.autograd.backward(total)
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()


def test_the_focal_loss_is_that_of_torchvision() -> None:
    from torchvision.ops import sigmoid_focal_loss

    z, y_true = torch.linspace(-6, 6, 9)[:, None], torch.arange(9) % 2
    total, weight = CrossEntropy(outputs=1, focal=2.0)(ECHONET).loss(z, y_true, VALUE)
    expected = sigmoid_focal_loss(z[:, 0], y_true.float(), alpha=-1, gamma=2.0, reduction="mean")
    torch.testing.assert_close(total / weight, expected)


@pytest.mark.parametrize("changes", [{"label_smoothing": 0.1}, {"focal": 2.0}, {"focal": 2.0, "calibrate": "platt"}])
def test_smoothing_and_focal_scores_are_not_probabilities(changes: dict[str, Any]) -> None:
    # With 25 % positive cases, the best constant score is not 0.25 any more.
    cases = targets(30, 10)
    objective = CrossEntropy(outputs=1, **changes)(cases)
    grid = torch.linspace(-3, 3, 601)[:, None]
    y_true = torch.from_numpy(cases.y_true)
    losses = [float(objective.loss(z.expand(40, 1), y_true, VALUE)[0]) for z in grid]
    best = objective.score(grid[int(np.argmin(losses))][None]).item()
    assert abs(best - 0.25) > 0.02
    assert not objective.probability


def test_smoothing_and_focal_together_are_refused() -> None:
    with refused("objective.smoothing_and_focal", where="objective"):
        CrossEntropy(label_smoothing=0.1, focal=1.0)


@pytest.mark.parametrize(("negative", "positive"), [(5, 0), (0, 5), (0, 0)])
def test_one_class_is_refused(negative: int, positive: int) -> None:
    with refused("fold.one_class") as error:
        CrossEntropy()(targets(negative, positive))
    assert str(positive) in error.value.message


def test_classifier_estimates_no_value() -> None:
    assert CrossEntropy()(ECHONET).predict(torch.zeros(1, 2)) is None


@pytest.mark.parametrize(
    ("parameter", "bad"),
    [
        ("outputs", 3),
        ("class_weights", (0.0, 1.0)),
        ("class_weights", (1.0,)),
        ("class_weights", "even"),
        ("label_smoothing", 1.0),
        ("label_smoothing", -0.1),
        ("focal", -1.0),
        ("calibrate", "isotonic"),
    ],
)
def test_annotations_refuse_invalid_parameters(parameter: str, bad: object) -> None:
    hints = get_type_hints(CrossEntropy.__init__, include_extras=True)
    with pytest.raises(ValidationError):
        TypeAdapter(hints[parameter]).validate_python(bad)
