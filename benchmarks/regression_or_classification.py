"""Estimate the EF and cut it, or learn the two classes at once?

The same model sees the same hearts in the same order for the same number of steps; only the objective differs. Each is
trained with several seeds, on the phantom with EchoNet-Dynamic's spread of EF. Run from the repository:
``python -m benchmarks.regression_or_classification``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit import Run
from echokit import run as run_recipe
from echokit.evaluation.metrics.auprc import Auprc
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.statistics.bootstrap import resample_weights
from echokit.system.environment import environment
from echokit.system.phantom_mark import STAMP

Floats = npt.NDArray[np.float64]
Statistic = Callable[[npt.NDArray[np.int64], Floats, npt.NDArray[Any]], Floats]

CUT = 50.0
OBJECTIVES: Mapping[str, Mapping[str, Any]] = {
    "classification": {"use": "cross_entropy"},
    "regression, then threshold": {"use": "ef_regression"},
}
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Arm:
    """One objective, trained with every seed.

    Attributes:
        score: (seeds, n) what ranks the test hearts, a row a seed.
        called: (seeds, n) 1.0 where a heart is called reduced.
        mae: (seeds,) mean absolute error of the estimated EF, or None.
        seconds: (seeds,) of training and validation.
        hashes: Of the recipes.
    """

    score: Floats
    called: Floats
    mae: Floats | None
    seconds: Floats
    hashes: tuple[str, ...]


def train(name: str, seed: int, arguments: argparse.Namespace) -> Run:
    """Train one objective with one seed."""
    return run_recipe(
        "quickstart",
        set={
            "name": f"objective_{name.split(',')[0]}",
            "seed": seed,
            "data.cases": arguments.cases,
            "data.ef": "realistic",
            "objective": dict(OBJECTIVES[name]),
            "model.backbone.width": arguments.width,
            "train.epochs": arguments.epochs,
            "train.keep": "last",
        },
        out=arguments.out,
        device="cpu",
    )


def arm_of(runs: Sequence[Run]) -> tuple[Arm, npt.NDArray[np.int64]]:
    """Scores and calls on the test hearts, and which hearts are reduced: in the same order for every run."""
    tests = [run.predictions.query("split == 'test'").sort_values("case_id") for run in runs]
    y = tests[0]["y_true"].to_numpy(np.int64)
    if any(list(test["case_id"]) != list(tests[0]["case_id"]) for test in tests):
        raise ValueError("the runs were tested on different hearts")
    if "prediction" in tests[0]:
        estimates = np.array([test["prediction"] for test in tests])
        score, called = CUT - estimates, (estimates < CUT).astype(np.float64)
        mae = np.array([(test["prediction"] - test["target"]).abs().mean() for test in tests])
    else:
        score = np.array([test["y_score"] for test in tests])
        called, mae = (score >= 0.5).astype(np.float64), None
    seconds = np.array([sum(record["seconds"] for record in history(run)) for run in runs])
    return Arm(score, called, mae, seconds, tuple(run.lock.recipe_hash[:12] for run in runs)), y


def history(run: Run) -> list[dict[str, Any]]:
    """Lines of ``history.jsonl``."""
    import json

    return [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]


def knowing_nothing(runs: Mapping[str, Sequence[Run]]) -> float:
    """Mean absolute error on the test hearts of always answering the mean EF of the training hearts."""
    table = next(iter(runs.values()))[0].predictions
    targets = {split: part["target"] for split, part in table.groupby("split")}
    return float((targets["test"] - targets["train"].mean()).abs().mean())


def accuracy(y: npt.NDArray[np.int64], called: Floats, weights: npt.NDArray[Any]) -> Floats:
    """Weighted share of right calls."""
    share: Floats = weights @ (called == y).astype(np.float64) / weights.sum(axis=1)
    return share


def row(
    name: str, statistic: Statistic, y: npt.NDArray[np.int64], first: Floats, second: Floats, *, stratified: bool
) -> str:
    """One row: both objectives, and their difference on the same hearts, averaged over the seeds."""
    whole = np.ones((1, len(y)))
    values = [np.array([statistic(y, score, whole)[0] for score in arm]) for arm in (first, second)]
    resampled = []
    for weights in resample_weights(y, resamples=2000, stratified=stratified, seed=0, chunk=500):
        means = [np.mean([statistic(y, score, weights) for score in arm], axis=0) for arm in (first, second)]
        resampled.append(means[1] - means[0])
    low, high = np.nanquantile(np.concatenate(resampled), [0.025, 0.975])
    difference = values[1] - values[0]
    cells = [f"{arm.mean():.3f} (SD {arm.std(ddof=1):.3f})" for arm in values]
    cells.append(f"{difference.mean():+.3f} ({low:+.3f} to {high:+.3f})")
    cells.append(f"{difference.std(ddof=1):.3f}")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Train both objectives with every seed, in turn, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3, help="at least 2, for an SD")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if arguments.seeds < 2:
        parser.error("--seeds: at least 2, for an SD")
    runs: dict[str, list[Run]] = {name: [] for name in OBJECTIVES}
    for seed in range(arguments.seeds):
        for name in OBJECTIVES:
            runs[name].append(train(name, seed, arguments))
    (classes, y), (values, _) = (arm_of(runs[name]) for name in OBJECTIVES)
    rows = [
        row("AUROC", Auroc().statistic, y, classes.score, values.score, stratified=True),
        row("AUPRC of the reduced class", Auprc().statistic, y, classes.score, values.score, stratified=False),
        row(f"accuracy at EF {CUT:g}", accuracy, y, classes.called, values.called, stratified=False),
    ]
    majority = max(y.mean(), 1 - y.mean())
    machine = environment()
    assert values.mae is not None
    text = f"""# {STAMP}: estimate the EF and cut it, or learn the two classes at once?

The same two-stream ResNet18 (width {arguments.width}, 38 frames of 28 x 28), the same {arguments.cases} hearts with
EchoNet-Dynamic's spread of EF, {arguments.epochs} epochs of the same steps, the last epoch kept; seeds 0 to
{arguments.seeds - 1}. Test set: {len(y)} hearts, {int(y.sum())} with EF < {CUT:g}.

| test metric | classification, mean (seed SD) | regression, then threshold | difference (95 % interval) | its seed SD |
|---|---|---|---|---|
{chr(10).join(rows)}

A difference above 0 is in favour of regression. Its interval is a percentile bootstrap over the test hearts (2,000
resamples, the same for both) of the mean over the seeds: it tells what other hearts would change. What another seed
would change is the seed SD, which the interval does not hold. Chance AUROC is 0.5; always answering the larger class
has an accuracy of {majority:.3f}. Mean absolute error of the estimated EF: {values.mae.mean():.1f} points (seed SD
{values.mae.std(ddof=1):.1f}; always answering the training mean: {knowing_nothing(runs):.1f}); the classifier has none.
Training took {classes.seconds.mean():.0f} s a run with classes and {values.seconds.mean():.0f} s with EF. Nothing was
tuned for either: the learning rate is the quickstart's, which was chosen for classification.

Made by `python -m benchmarks.regression_or_classification --cases {arguments.cases} --epochs {arguments.epochs}
--width {arguments.width} --seeds {arguments.seeds}` on {machine["processor"]}, {machine["cores"]} cores, torch
{machine["packages"]["torch"]}, Python {machine["python"]}.
Recipe hashes: {", ".join((*classes.hashes, *values.hashes))}.
"""
    arguments.results.mkdir(parents=True, exist_ok=True)
    (arguments.results / "regression_or_classification.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
