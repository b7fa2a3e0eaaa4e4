"""Heads that are trained in a batch equal heads that are trained one by one."""

import numpy as np
import pytest
import torch

from benchmarks.single_head import Head, fit_head
from echokit.data.cohort.cohort import Fold
from echokit.data.cohort.targets import Targets
from echokit.training.batches.batch_sources import FeatureSource
from echokit.training.batches.features import FeatureSamples
from echokit.training.context import FoldTask
from echokit.training.heads.batched_heads import (
    HeadPlan,
    HeadTask,
    _initial_weights,
    check_batched_heads_supported,
    train_and_score,
)
from echokit.training.objectives.cross_entropy import CrossEntropy
from echokit.training.settings import TrainSettings
from tests.expect import refused

N, WIDTH = 30, 24
RNG = np.random.default_rng(0)
CASE = np.repeat(np.arange(N), 2)
COPIES = torch.from_numpy(RNG.normal(size=(2, 2 * N, WIDTH)).astype("float32"))
SCORED = torch.from_numpy(RNG.normal(size=(N, WIDTH)).astype("float32"))
Y = (RNG.random(N) < 0.35).astype(np.int64)
PLAIN = {
    "phases": [{"name": "head", "train": ["head"], "epochs": 9, "lr": 0.01, "copies": 2}],
    "batch_size": 64,
    "keep": "last",
}


def settings(**changes: object) -> TrainSettings:
    return TrainSettings.model_validate({**PLAIN, **changes})


def scores(plan: HeadPlan, tasks: list[HeadTask]) -> np.ndarray:
    return train_and_score(
        plan, tasks, case=CASE, copies=COPIES, scored_case=np.arange(N), scored=SCORED, seed=3
    )  # fmt: skip


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_batched_heads_equal_single_heads(optimizer: str, outputs: int) -> None:
    train = settings(
        optimizer={"use": optimizer, "weight_decay": 0.1}, l1={"strength": 1e-3}, schedule={"use": "one_cycle"}
    )
    rows = np.arange(20)
    plan = HeadPlan(train, balanced=True, outputs=outputs)  # type: ignore[arg-type]
    batched = scores(plan, [HeadTask(1 - Y, np.arange(12)), HeadTask(Y, rows)])[1]

    objective = CrossEntropy(outputs=outputs, class_weights="balanced")(Targets(Y[rows], Y[rows].astype(float)))  # type: ignore[arg-type]
    head = Head(WIDTH, outputs, dropout=0.0, seed=0)
    head.head.weight.data = _initial_weights(WIDTH, outputs, 3).T.clone()
    own = np.isin(CASE, rows)
    fold = Fold(0, 0, rows, np.empty(0, np.int64), np.arange(20, N))
    copies = tuple(FeatureSamples(CASE[own], copy) for copy in COPIES[:, own])
    samples = FeatureSource(copies, FeatureSamples(CASE[:0], COPIES[0, :0]))
    case_ids = tuple(str(case) for case in range(N))
    task = FoldTask(None, Targets(Y, Y.astype(float)), fold, case_ids, None)  # type: ignore[arg-type]
    fit_head(head, objective, samples, task, train)
    with torch.no_grad():
        single = objective.score(head.answer(SCORED)).numpy()
    np.testing.assert_allclose(batched, single, atol=1e-5)


def test_head_depends_on_its_training_cases_alone() -> None:
    plan = HeadPlan(settings(), dropout=0.3)
    rows = np.arange(15)
    other = np.where(np.arange(N) < 15, Y, 1 - Y)
    a, b, c = scores(plan, [HeadTask(Y, rows), HeadTask(other, rows), HeadTask(Y, np.arange(10, N))])
    np.testing.assert_allclose(a, b, rtol=1e-5)
    assert np.abs(a - c).max() > 1e-3
    np.testing.assert_allclose(scores(plan, [HeadTask(Y, rows)])[0], a, rtol=1e-5)


def test_no_heads_give_no_scores() -> None:
    assert scores(HeadPlan(settings()), []).shape == (0, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"ema": {"decay": 0.9}}, {"clip_gradients": 1.0}, {"keep": "best_val_auroc"}, {"keep": "val_auprc"},
        {"optimizer": {"use": "rmsprop"}},
        {"optimizer": {"use": "sgd", "momentum": 0.9}}, {"schedule": {"use": "plateau"}}, {"batch_size": 16},
    ],
)  # fmt: skip
def test_settings_of_single_heads_only_are_refused(change: dict[str, object]) -> None:
    check_batched_heads_supported(settings(), 60)
    code = "train.batch_too_small" if "batch_size" in change else "train.not_in_batched_heads"
    with refused(code, where=f"train.{next(iter(change))}"):
        check_batched_heads_supported(settings(**change), 60)
