"""How long is a search of head configurations on cached features?

    python -m benchmarks.head_search [--configurations 100] [--folds 5]

Every configuration is trained in every fold, on features of the size of the LVAD recipes (46 clips of 34 patients,
1,024 features, two copies, 30 epochs of the whole training part): one head after the other as a frozen phase trains it,
many at once as a search does, and scikit-learn's logistic regression, one after the other, for orientation. The ways
take turns. Random features: only time is measured.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import torch

from benchmarks.timing import interleaved, machine
from echokit.cohort.cohort import Fold
from echokit.objectives.cross_entropy import CrossEntropy
from echokit.objectives.objective import Targets
from echokit.training.head import Head, fit_head
from echokit.training.many_heads import HeadPlan, HeadTask, train_and_score
from echokit.training.settings import TrainSettings
from echokit.training.watch import Silent

CLIPS, WIDTH, EPOCHS = 46, 1024, 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=100)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repetitions", type=int, default=3)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    copies = torch.from_numpy(rng.normal(size=(2, CLIPS, WIDTH)).astype(np.float32))
    case = np.arange(CLIPS)
    y = (rng.random(CLIPS) < 0.25).astype(np.int64)
    targets = Targets(y, y.astype(np.float64))
    of_fold = rng.permutation(CLIPS) % given.folds
    trained = [np.flatnonzero(of_fold != number) for number in range(given.folds)]
    phase = {"name": "head", "train": ["head"], "epochs": EPOCHS, "copies": 2}
    plans = []
    for _ in range(given.configurations):
        lr, l1, dropout = 10 ** rng.uniform(-4, -2), 10 ** rng.uniform(-4, -1), rng.uniform(0, 0.9)
        settings = {"phases": [phase], "batch_size": 128, "keep": "last", "l1": {"strength": l1}}
        plans.append(HeadPlan(TrainSettings.model_validate({**settings, "optimizer": {"lr": lr}}), dropout))

    def alone() -> None:
        objective = CrossEntropy()(targets)
        for plan in plans:
            for number, rows in enumerate(trained):
                head = Head(WIDTH, 2, dropout=plan.dropout, seed=number)
                fold = Fold(number, 0, rows, case[:0], np.setdiff1d(case, rows))
                fit_head(
                    head,
                    objective,
                    copies[:, rows],
                    rows,
                    targets,
                    fold,
                    plan.train,
                    seed=0,
                    device=torch.device("cpu"),
                    watch=Silent(),
                    case_ids=[str(row) for row in case],
                )

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

    seconds = interleaved({"one by one": alone, "many at once": at_once, "scikit-learn": sklearn}, given.repetitions)
    heads = given.configurations * given.folds
    for way, taken in seconds.items():
        print(
            json.dumps(
                {
                    "way": way,
                    "configurations": given.configurations,
                    "folds": given.folds,
                    "seconds": round(taken, 3),
                    "milliseconds a head": round(1000 * taken / heads, 3),
                    "asked": "at most 120 s" if way != "scikit-learn" else "",
                }
            )
        )
    print(json.dumps({"one by one / many at once": round(seconds["one by one"] / seconds["many at once"], 1)}))
    print(json.dumps({"machine": machine()}))


if __name__ == "__main__":
    main()
