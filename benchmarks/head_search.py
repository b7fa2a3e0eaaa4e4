"""Measure a search of head configurations on cached features: single heads, batched heads, scikit-learn.

Every configuration is trained in every fold, on features of the size of the LVAD recipes (46 clips of 34 patients,
1,024 features, two copies, 30 epochs of the whole training set). Random features: only time is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.single_head import Head, fit_head
from benchmarks.timing import interleaved, ratio
from echokit.data.cohort.cohort import Fold
from echokit.data.cohort.targets import Targets
from echokit.training.batches.batch_sources import FeatureSource
from echokit.training.batches.features import FeatureSamples
from echokit.training.context import FoldTask
from echokit.training.heads.batched_heads import HeadPlan, HeadTask, train_and_score
from echokit.training.objectives.cross_entropy import CrossEntropy
from echokit.training.settings import TrainSettings

CLIPS, WIDTH, EPOCHS = 46, 1024, 30


ALONE, AT_ONCE, SKLEARN = "one head after the other", "many at once (echokit's search)", "scikit-learn's own, L2"


def measure(*, seed: int, repetitions: int = 3, configurations: int = 100, folds: int = 5) -> dict[str, Any]:
    """Measure ``head_search``.

    Args:
        seed: Seed of the features and the configurations.
        repetitions: Repetitions of each variant, in turns.
        configurations: Number of combinations of rate, penalty and dropout.
        folds: Number of folds.
    """
    loop = max(1, configurations // 20)
    rng = np.random.default_rng(seed)
    copies = torch.from_numpy(rng.normal(size=(2, CLIPS, WIDTH)).astype(np.float32))
    case = np.arange(CLIPS)
    case_ids = tuple(str(row) for row in case)
    y = (rng.random(CLIPS) < 0.25).astype(np.int64)
    targets = Targets(y, y.astype(np.float64))
    of_fold = rng.permutation(CLIPS) % folds
    trained = [np.flatnonzero(of_fold != number) for number in range(folds)]
    phase = {"name": "head", "train": ["head"], "epochs": EPOCHS, "copies": 2}
    plans = []
    for _ in range(configurations):
        lr, l1, dropout = 10 ** rng.uniform(-4, -2), 10 ** rng.uniform(-4, -1), rng.uniform(0, 0.9)
        settings = {"phases": [phase], "batch_size": 128, "keep": "last", "l1": {"strength": l1}}
        plans.append(HeadPlan(TrainSettings.model_validate({**settings, "optimizer": {"lr": lr}}), dropout))

    def alone() -> None:
        objective = CrossEntropy()(targets)
        for plan in plans[:loop]:
            for number, rows in enumerate(trained):
                head = Head(WIDTH, 2, dropout=plan.dropout, seed=number)
                fold = Fold(number, 0, rows, case[:0], np.setdiff1d(case, rows))
                training = tuple(FeatureSamples(rows, copy[rows]) for copy in copies)
                samples = FeatureSource(training, FeatureSamples(case[:0], copies[0, :0]))
                task = FoldTask(None, targets, fold, case_ids, None)  # type: ignore[arg-type]
                fit_head(head, objective, samples, task, plan.train)

    def at_once() -> None:
        tasks = [HeadTask(y, rows) for rows in trained]
        for plan in plans:
            train_and_score(plan, tasks, case=case, copies=copies, scored_case=case, scored=copies[0], seed=0)

    def sklearn() -> None:
        from sklearn.linear_model import LogisticRegression

        values = copies[0].numpy()
        for _ in plans:
            for rows in trained:
                LogisticRegression(max_iter=200).fit(values[rows], y[rows]).decision_function(values)

    ways: dict[str, Callable[[], object]] = {ALONE: alone, AT_ONCE: at_once, SKLEARN: sklearn}
    seconds = interleaved(ways, repetitions)
    seconds[ALONE] *= configurations / loop
    heads = configurations * folds
    return {
        "title": "Searching heads on cached features",
        "about": (
            f"{configurations} configurations in {folds} folds: {heads:,} heads on {CLIPS} clips with {WIDTH:,} "
            f"features, {EPOCHS} epochs each. Asked: at most 120 s for 100 configurations in 5 folds. Random features."
        ),
        "tables": [
            {
                "head": ["way", "seconds", "ms a head"],
                "rows": [[way, f"{taken:.2f}", f"{1000 * taken / heads:.2f}"] for way, taken in seconds.items()],
            }
        ],
        "numbers": {f"seconds: {way}": taken for way, taken in seconds.items()},
        "notes": [
            f"One head after the other was timed on {loop} configurations and scaled to {configurations}.",
            "scikit-learn's logistic regression has no dropout, no L1 beside L2 and no epochs: for orientation.",
        ],
        "ratios": [
            ratio(
                f"a search of {configurations} heads in {folds} folds",
                "one head after the other, as a frozen phase trains it",
                ours=seconds[AT_ONCE],
                usual=seconds[ALONE],
            )
        ],
    }
