"""Checks of an objective: (Targets) -> Objective with outputs, loss, score and predict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from echokit.data.cohort.targets import Targets
from echokit.errors import EchokitError
from echokit.testing.case import Subject, require

if TYPE_CHECKING:
    from torch import Tensor

N = 12


def _targets() -> Targets:
    value = np.linspace(20.0, 75.0, N)
    return Targets((value < 50).astype(np.int64), value, 50.0)


def _batch(objective: Any, count: int = N) -> tuple[Tensor, Tensor, Tensor]:
    import torch

    targets = _targets()
    outputs = torch.randn((N, objective.outputs), generator=torch.Generator().manual_seed(2)) * 3
    return outputs[:count], torch.from_numpy(targets.y_true)[:count], torch.from_numpy(targets.value).float()[:count]


def check_says_how_many_outputs_it_needs(subject: Subject) -> None:
    """``outputs`` is a positive int, ``probability`` a bool."""
    objective = subject.make()(_targets())
    lacks = [
        name
        for name in ("threshold", "initial_bias", "calibrator", "bounded", "predict")
        if not hasattr(objective, name)
    ]
    require(not lacks, f"it has no {', '.join(lacks)}: make it a subclass of echokit.Objective, which has the defaults")
    require(isinstance(objective.outputs, int) and objective.outputs >= 1, f"outputs is {objective.outputs!r}")
    require(isinstance(objective.probability, bool), f"probability is {objective.probability!r}")


def check_loss_is_a_sum_and_its_weight(subject: Subject) -> None:
    """Loss and weight are finite scalars that add up over micro-batches."""
    objective = subject.make()(_targets())
    outputs, y_true, value = _batch(objective)
    total, weight = objective.loss(outputs, y_true, value)
    require(total.ndim == 0 and weight.ndim == 0, "loss and weight are not scalars")
    require(bool(total.isfinite()) and float(weight) > 0, f"loss {float(total)}, weight {float(weight)}")
    parts = [objective.loss(outputs[i : i + 1], y_true[i : i + 1], value[i : i + 1]) for i in range(N)]
    summed = [sum(float(part[k]) for part in parts) for k in (0, 1)]
    require(np.isclose(summed[1], float(weight), rtol=1e-4), "the weights of single cases do not add up")
    require(np.isclose(summed[0], float(total), rtol=1e-3), "the losses of single cases do not add up")


def check_gradients_are_finite(subject: Subject) -> None:
    """Every output gets a finite gradient, even for extreme outputs."""
    objective = subject.make()(_targets())
    outputs, y_true, value = _batch(objective)
    for scale in (1.0, 1e4):
        scaled = (outputs * scale).requires_grad_()
        total, _ = objective.loss(scaled, y_true, value)
        total.backward()
        require(scaled.grad is not None and bool(scaled.grad.isfinite().all()), "a gradient is not finite")


def check_score_is_one_number_a_case(subject: Subject) -> None:
    """Scores are finite, one a case, deterministic, in [0, 1] if probable."""
    import torch

    objective = subject.make()(_targets())
    outputs, _, _ = _batch(objective)
    original = outputs.clone()
    score = objective.score(outputs)
    require(tuple(score.shape) == (N,), f"score is {tuple(score.shape)}, not ({N},)")
    require(bool(score.isfinite().all()), "a score is not finite")
    if objective.probability:
        require(bool(((score >= 0) & (score <= 1)).all()), "a probability lies outside [0, 1]")
    require(torch.equal(score, objective.score(outputs)), "two scores of the same output differ")
    require(torch.equal(outputs, original), "it modified the outputs")


def check_learns_in_the_right_direction(subject: Subject) -> None:
    """Minimizing the loss gives positive cases higher scores than negative ones."""
    import torch

    objective = subject.make()(_targets())
    outputs, y_true, value = _batch(objective)
    learned = torch.zeros_like(outputs).requires_grad_()
    optimizer = torch.optim.Adam([learned], lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        total, weight = objective.loss(learned, y_true, value)
        (total / weight).backward()
        optimizer.step()
    score = objective.score(learned.detach())
    positive, negative = score[y_true == 1], score[y_true == 0]
    require(float(positive.mean()) > float(negative.mean()), "positive cases do not have higher scores after training")


def check_prediction_is_in_the_unit_of_the_value(subject: Subject) -> None:
    """``predict`` gives (B,) finite numbers, or None if nothing is estimated."""
    objective = subject.make()(_targets())
    outputs, _, _ = _batch(objective)
    estimate = objective.predict(outputs)
    if estimate is not None:
        require(tuple(estimate.shape) == (N,), f"predict is {tuple(estimate.shape)}, not ({N},)")
        require(bool(estimate.isfinite().all()), "an estimate is not finite")


def check_one_class_is_learned_or_refused(subject: Subject) -> None:
    """One class gives an objective or an EchokitError, nothing else."""
    value = np.linspace(55.0, 75.0, N)
    try:
        subject.make()(Targets(np.zeros(N, np.int64), value, 50.0))
    except EchokitError:
        return
