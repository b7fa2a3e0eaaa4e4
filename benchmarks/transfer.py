"""Does starting from Stage 1's weights help on a small cohort? On the phantom: a test of the software.

    python -m benchmarks.transfer [--cohorts 10]

A small two-stream model learns reduced or normal EF on one phantom. Then new cohorts are drawn, each with a seed of its
own, and cross-validated three times in the same folds: from random weights, from Stage 1's weights with a new head on
the frozen network, and with the whole network fine-tuned after that. Two questions are asked of them: the one that
Stage 1 learned (reduced EF, 34 hearts), and another (death within a year, 34 patients of the clinical phantom, where
the true EF itself ranks 0.79 of the pairs rightly). Cohorts are independent, so the mean difference has a t interval.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy.stats import t

from benchmarks.timing import machine
from echokit import Run
from echokit import run as run_recipe
from echokit.system.phantom_mark import STAMP

RESULTS = Path(__file__).parent / "results"
SIDE, WIDTH, BATCH = 28, 16, 8
PREPARED = [{"use": "trim", "frames": 38}, {"use": "resize", "size": SIDE}, "optical_flow"]
MASKED = [PREPARED[0], "motion_mask", *PREPARED[1:]]
HEAD = {"name": "head", "train": ["head"], "epochs": 20, "lr": 1e-3}
ALL = {"name": "all", "epochs": 5, "lr": 1e-4}
QUESTIONS: Mapping[str, Mapping[str, Any]] = {
    "reduced EF, as in Stage 1": {
        "data": {"use": "phantom", "cases": 34, "ef": "wide"},
        "target": {"from": "ef", "positive": "reduced", "below": 50},
        "preprocess": PREPARED,
    },
    "death within a year": {
        "data": {"use": "phantom", "layout": "clinical"},
        "target": {"from": "target", "positive": "died"},
        "preprocess": MASKED,
    },
}
ARMS: Mapping[str, Mapping[str, Any]] = {
    "random start": {"train": {"phases": [{**ALL, "epochs": 25, "lr": 1e-3}], "epochs": 25, "bn": "train"}},
    "frozen, new head": {"model": {"weights": "run:ef"}, "train": {"phases": [HEAD], "epochs": 20}},
    "head, then all": {"model": {"weights": "run:ef"}, "train": {"phases": [HEAD, ALL], "epochs": 25}},
}


def recipe_of(folder: Path, name: str, parts: Sequence[Mapping[str, Any]]) -> Path:
    """Write a recipe whose parts are laid over each other."""
    import yaml

    content: dict[str, Any] = {
        "name": name,
        "clip": {"frames": 38},
        "model": {"use": "two_stream", "backbone": {"use": "resnet18", "width": WIDTH}},
        "objective": {"use": "cross_entropy", "class_weights": "balanced"},
        "train": {"batch_size": BATCH, "keep": "last"},
        "evaluate": ["auroc"],
        "report": {"page": False},
    }
    for part in parts:
        for key, value in part.items():
            own = content.get(key)
            content[key] = {**own, **value} if isinstance(own, dict) and isinstance(value, dict) else value
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def stage1(folder: Path, cases: int) -> Run:
    """Make Stage 1's weights, or find them."""
    data = {"use": "phantom", "cases": cases, "ef": "wide", "seed": 1000}
    train = {"epochs": 8, "optimizer": {"lr": 1e-3}, "schedule": {"use": "one_cycle"}}
    question = {**QUESTIONS["reduced EF, as in Stage 1"], "data": data}
    return run_recipe(recipe_of(folder, "ef", [question, {"train": train}]), out=folder, device="cpu")


def cohorts(folder: Path, question: str, count: int) -> Iterator[dict[str, float]]:
    """AUROC within folds of every arm, a mapping a cohort."""
    asked = QUESTIONS[question]
    for seed in range(count):
        found = {}
        for number, (arm, how) in enumerate(ARMS.items()):
            data = {**asked["data"], "seed": seed}
            name = f"{asked['target']['positive']}_{number}_{seed}"
            parts = [asked, {"data": data, "seed": seed, "resample": {"use": "kfold", "k": 5}}, how]
            run = run_recipe(recipe_of(folder, name, parts), out=folder, device="cpu")
            found[arm] = float(run.metric("auroc_within_fold").value or math.nan)
        print(f"{question}, cohort {seed}: {found}", flush=True)
        yield found


def row(question: str, arm: str, found: Sequence[Mapping[str, float]]) -> str:
    """One row of the table: mean over cohorts, and the paired difference to the random start."""
    values = [one[arm] for one in found]
    other = [one["random start"] for one in found]
    text = f"| {question} | {arm} | {statistics.fmean(values):.3f} |"
    if arm == "random start":
        return f"{text} | |"
    apart = [a - b for a, b in zip(values, other, strict=True)]
    mean = statistics.fmean(apart)
    half = (
        t.ppf(0.975, len(apart) - 1) * statistics.stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else math.inf
    )
    return (
        f"{text} {mean:+.3f} ({mean - half:+.3f} to {mean + half:+.3f}) | {sum(a > 0 for a in apart)} of {len(apart)} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=10)
    parser.add_argument("--stage1-cases", type=int, default=240)
    parser.add_argument("--folder", type=Path, default=Path("runs/transfer_benchmark"))
    parser.add_argument("--out", type=Path, default=RESULTS / "transfer.md")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    before = stage1(given.folder, given.stage1_cases)
    rows = []
    for question in QUESTIONS:
        found = list(cohorts(given.folder, question, given.cohorts))
        rows += [row(question, arm, found) for arm in ARMS]
    learned = before.metric("auroc")
    head = "| question | start | AUROC within folds | against the random start (95 % t interval) | better in |"
    text = "\n\n".join(
        [
            f"# {STAMP}: from Stage 1's weights, or from nothing?",
            f"{given.cohorts} cohorts of 34, 5 folds each, the same folds for every start; ResNet18 of width {WIDTH} "
            f"on video and flow of {SIDE} x {SIDE}. Stage 1: {given.stage1_cases} hearts, test AUROC "
            f"{learned.value or 0:.2f}. The number of epochs and the rates were fixed beforehand.",
            "\n".join([head, "|---|---|---|---|---|", *rows]),
            "This tests the software, whatever it shows: it says nothing about patients.",
            f"Made by `python -m benchmarks.transfer --cohorts {given.cohorts}` on {machine()}.",
        ]
    )
    given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
