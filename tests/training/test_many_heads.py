"""Heads that are trained many at once are the heads that are trained one by one."""

import numpy as np
import pytest
import torch
from echokit.training.head import Head, fit_head

from echokit import EchokitError
from echokit.cohort.cohort import Fold
from echokit.objectives.cross_entropy import CrossEntropy
from echokit.objectives.objective import Targets
from echokit.training.many_heads import HeadPlan, HeadTask, _start, require_plain, train_and_score
from echokit.training.settings import TrainSettings
from echokit.training.watch import NoCallback

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
def test_each_learns_what_it_would_learn_alone(optimizer: str, outputs: int) -> None:
    train = settings(
        optimizer={"use": optimizer, "weight_decay": 0.1}, l1={"strength": 1e-3}, schedule={"use": "one_cycle"}
    )
    rows = np.arange(20)
    plan = HeadPlan(train, balanced=True, outputs=outputs)  # type: ignore[arg-type]
    together = scores(plan, [HeadTask(1 - Y, np.arange(12)), HeadTask(Y, rows)])[1]

    objective = CrossEntropy(outputs=outputs, class_weights="balanced")(Targets(Y[rows], Y[rows].astype(float)))  # type: ignore[arg-type]
    head = Head(WIDTH, outputs, dropout=0.0, seed=0)
    head.head.weight.data = _start(WIDTH, outputs, 3).T.clone()
    own = np.isin(CASE, rows)
    fold = Fold(0, 0, rows, np.empty(0, np.int64), np.arange(20, N))
    fit_head(
        head, objective, COPIES[:, own], CASE[own], Targets(Y, Y.astype(float)), fold, train, seed=0,
        device=torch.device("cpu"), watch=NoCallback(), case_ids=[str(case) for case in range(N)],
    )  # fmt: skip
    with torch.no_grad():
        alone = objective.score(head.answer(SCORED)).numpy()
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_head_knows_nothing_of_cases_outside_its_training_part_nor_of_its_neighbours() -> None:
    plan = HeadPlan(settings(), dropout=0.3)
    rows = np.arange(15)
    other = np.where(np.arange(N) < 15, Y, 1 - Y)
    a, b, c = scores(plan, [HeadTask(Y, rows), HeadTask(other, rows), HeadTask(Y, np.arange(10, N))])
    np.testing.assert_allclose(a, b, rtol=1e-5)
    assert np.abs(a - c).max() > 1e-3
    np.testing.assert_allclose(scores(plan, [HeadTask(Y, rows)])[0], a, rtol=1e-5)


def test_no_heads_is_no_scores() -> None:
    assert scores(HeadPlan(settings()), []).shape == (0, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"ema": {"decay": 0.9}}, {"clip_gradients": 1.0}, {"keep": "best_val_auroc"}, {"optimizer": {"use": "rmsprop"}},
        {"optimizer": {"use": "sgd", "momentum": 0.9}}, {"schedule": {"use": "plateau"}}, {"batch_size": 16},
    ],
)  # fmt: skip
def test_what_only_single_heads_know_is_refused(change: dict[str, object]) -> None:
    require_plain(settings(), 60)
    with pytest.raises(EchokitError) as error:
        require_plain(settings(**change), 60)
    assert error.value.where == f"train.{next(iter(change))}"
