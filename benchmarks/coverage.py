"""How often the intervals that echokit prints hold the truth.

    python -m benchmarks.coverage [--samples 2000] [--procedures 600]

Fixed scores: binormal scores of independent patients are drawn again and again, n = 34 (7 events on average) and
n = 1,277 (285 events on average); the truth is computed on two million patients. Paired differences: two scores of the
same patients, correlated, of AUROC 0.80 and 0.85. Whole procedure: a cohort is drawn, a ridge discriminant is trained
and tested in folds, and the interval is to hold the mean performance of the models of that training size, which is
known exactly. Synthetic numbers: they describe intervals, not hearts.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from benchmarks.timing import machine
from echokit.evaluation.cross_validation import joined_auroc
from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.paired_comparison import compare_predictions
from echokit.evaluation.predictions import Predictions
from echokit.plugins.discovery import installed

COHORTS = {"n = 34, 7 events": (34, 7), "n = 1,277, 285 events": (1277, 285)}
NAMES = ("auroc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "balanced_accuracy", "f1", "mcc", "auprc")
NAMES += ("brier", "log_loss", "net_benefit", "calibration", "mae", "rmse", "r2", "bland_altman")
AUROCS = (0.5, 0.7, 0.8, 0.9)
BIG = 2_000_000
RESULTS = Path(__file__).parent / "results"
ASKED = (0.93, 0.97)


@dataclass(frozen=True)
class Coverage:
    """What the intervals of one metric held.

    Attributes:
        metric: Its name.
        held: Share of the intervals that held the truth; None where none was given.
        width: Their mean width.
        intervals: How many there were.
        without: Samples that gave none.
    """

    metric: str
    held: float | None
    width: float
    intervals: int
    without: int


def draw(rng: np.random.Generator, n: int, events: int, apart: float) -> Predictions:
    """Binormal scores as probabilities, and an EF with a normal error of 6 points around it.

    The probabilities are calibrated; those of an AUROC of 0.5 are noise.
    """
    y = (rng.random(n) < events / n).astype(np.int64)
    x = apart * y + rng.normal(size=n)
    logit = max(apart, 0.5) * (x - apart / 2) + math.log(events / (n - events))
    target = 60 - 20 * y + 6 * rng.normal(size=n)
    names = [f"p{i}" for i in range(n)]
    table = pd.DataFrame({"case_id": names, "patient_id": names, "split": "test", "repeat": 0, "fold": 0})
    table = table.assign(y_true=y, y_score=1 / (1 + np.exp(-logit)), target=target)
    return Predictions(table.assign(prediction=target + 6 * rng.normal(size=n)), threshold=events / n)


def fixed(n: int, events: int, auroc: float, samples: int, resamples: int) -> list[Coverage]:
    """Coverage of every metric of fixed scores."""
    registry = installed().registry
    evaluators = [(name, registry.get("evaluator", name).load()()) for name in NAMES]
    apart = math.sqrt(2) * float(ndtri(auroc))
    big = draw(np.random.default_rng(0), *_big(n, events), apart)
    truth = {m.metric: m.value for _, e in evaluators for m in e(big).metrics} | {"auroc": auroc}
    count = {name: _Count() for name in truth}
    for sample in range(samples):
        part = draw(np.random.default_rng([1, sample]), n, events, apart)
        for metric in evaluate_folds(part, evaluators, seed=sample, resamples=resamples).metrics:
            count[metric.metric].add(metric.low, metric.high, truth[metric.metric])
    return [found.told(name) for name, found in count.items()]


def paired(n: int, events: int, samples: int, resamples: int) -> list[Coverage]:
    """Coverage of every difference between two runs on the same patients."""
    truth = {d.metric: d.value for d in compare_predictions(*_pair(0, *_big(n, events)), resamples=1)}
    count = {name: _Count() for name in truth}
    for sample in range(samples):
        for found in compare_predictions(*_pair(sample + 1, n, events), seed=sample, resamples=resamples):
            count[found.metric].add(found.low, found.high, truth[found.metric])
    return [found.told(name) for name, found in count.items()]


def _big(n: int, events: int) -> tuple[int, int]:
    return n * (BIG // n), events * (BIG // n)


def _pair(seed: int, n: int, events: int) -> tuple[Predictions, Predictions]:
    rng = np.random.default_rng([3, seed])
    y = (rng.random(n) < events / n).astype(np.int64)
    shared = rng.normal(size=n)
    names = np.arange(n).astype(str)
    runs = []
    for auroc in (0.80, 0.85):
        apart = math.sqrt(2) * float(ndtri(auroc))
        x = apart * y + math.sqrt(0.5) * (shared + rng.normal(size=n))
        score = 1 / (1 + np.exp(-apart * (x - apart / 2) - math.log(events / (n - events))))
        part = {"case_id": names, "patient_id": names, "split": "test", "repeat": 0, "fold": 0}
        runs.append(Predictions(pd.DataFrame({**part, "y_true": y, "y_score": score}), threshold=events / n))
    return runs[0], runs[1]


class _Count:
    def __init__(self) -> None:
        self.held: list[bool] = []
        self.widths: list[float] = []
        self.without = 0

    def add(self, low: float | None, high: float | None, truth: float | None) -> None:
        if low is None or high is None or truth is None:
            self.without += 1
            return
        self.held.append(low <= truth <= high)
        self.widths.append(high - low)

    def told(self, metric: str) -> Coverage:
        if not self.held:
            return Coverage(metric, None, math.nan, 0, self.without)
        return Coverage(metric, float(np.mean(self.held)), float(np.mean(self.widths)), len(self.held), self.without)


def folds_of(rng: np.random.Generator, y: np.ndarray, k: int) -> np.ndarray:
    fold = np.empty(len(y), np.int64)
    start = 0
    for label in (1, 0):
        rows = rng.permutation(np.flatnonzero(y == label))
        fold[rows] = (np.arange(len(rows)) + start) % k
        start += len(rows)
    return fold


def discriminant(x: np.ndarray, y: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    means = [x[y == label].mean(axis=0) for label in (0, 1)]
    centred = x - np.where(y[:, None] == 1, means[1], means[0])
    weights = np.linalg.solve(centred.T @ centred / len(y) + ridge * np.eye(x.shape[1]), means[1] - means[0])
    return weights, float(-weights @ (means[0] + means[1]) / 2)


def procedure(n: int, events: int, features: int, apart: float, k: int, repeats: int, cohorts: int) -> dict[str, Any]:
    """Cross-validate again and again on new cohorts; the first feature moves by `apart` standard deviations."""
    accuracy = installed().registry.get("evaluator", "accuracy").load()()
    y = np.zeros(n, np.int64)
    y[:events] = 1
    names = np.array([f"p{i}" for i in range(n)])
    intervals, truths = [], []
    for cohort in range(cohorts):
        rng = np.random.default_rng([2, cohort, features, k])
        x = rng.normal(size=(n, features))
        x[:events, 0] += apart
        folds = []
        for repeat in range(repeats):
            fold = folds_of(rng, y, k)
            for number in range(k):
                test = fold == number
                w, b = discriminant(x[~test], y[~test], ridge=features / 8)
                size = np.linalg.norm(w)
                right = (events * ndtr((apart * w[0] + b) / size) + (n - events) * ndtr(-b / size)) / n
                truths.append((ndtr(apart * w[0] / size / math.sqrt(2)), right))
                part = {"case_id": names[test], "patient_id": names[test], "split": "test", "repeat": repeat}
                table = pd.DataFrame(
                    {**part, "fold": repeat * k + number, "y_true": y[test], "y_score": x[test] @ w + b}
                )
                folds.append(Predictions(table, threshold=0.0, probability=False))
        within = joined_auroc(folds, level=0.95)[0]
        (pooled,) = accuracy.across_folds(folds, level=0.95)
        intervals.append((within.low, within.high, pooled.low, pooled.high))
    auroc, right = np.mean(truths, axis=0)
    ends = np.array(intervals, float)
    return {
        "features": features,
        "folds": k,
        "mean AUROC": float(auroc),
        "mean accuracy": float(right),
        "coverage of AUROC": float(((ends[:, 0] <= auroc) & (auroc <= ends[:, 1])).mean()),
        "coverage of accuracy": float(((ends[:, 2] <= right) & (right <= ends[:, 3])).mean()),
        "mean width of AUROC": float((ends[:, 1] - ends[:, 0]).mean()),
    }


def fixed_words(cohort: str, by_auroc: dict[float, list[Coverage]]) -> str:
    """A table: a row a metric, a column an AUROC."""
    head = f"| metric | {' | '.join(f'AUROC {auroc}' for auroc in by_auroc)} |\n|---|{'---|' * len(by_auroc)}"
    rows = [
        f"| {found[0].metric} | {' | '.join(_cell(one) for one in found)} |"
        for found in zip(*by_auroc.values(), strict=True)
    ]
    return "\n".join([f"## Fixed scores, {cohort}\n", head, *rows])


def _cell(found: Coverage) -> str:
    if found.held is None:
        return "no interval"
    gaps = f"; {found.without:,} samples without" if found.without else ""
    return f"{found.held:.1%} (width {found.width:.3g}{gaps})"


def verdict(cohort: str, by_auroc: dict[float, list[Coverage]]) -> str:
    """Whether AUROC and accuracy are held as often as asked."""
    out = [
        f"{one.metric} at AUROC {auroc}: {one.held:.1%}"
        for auroc, found in by_auroc.items()
        for one in found
        if one.metric in ("auroc", "accuracy") and one.held is not None and not ASKED[0] <= one.held <= ASKED[1]
    ]
    return f"{cohort}: " + (f"outside {ASKED[0]:.0%} to {ASKED[1]:.0%}: {'; '.join(out)}." if out else "all inside.")


def procedure_words(cohort: str, rows: Sequence[dict[str, Any]]) -> str:
    """A table: a row a procedure."""
    head = "| features | folds | mean AUROC | its interval holds it | width | mean accuracy | its interval holds it |"
    lines = [
        f"| {r['features']} | {r['folds']} | {r['mean AUROC']:.3f} | {r['coverage of AUROC']:.1%} | "
        f"{r['mean width of AUROC']:.2f} | {r['mean accuracy']:.3f} | {r['coverage of accuracy']:.1%} |"
        for r in rows
    ]
    least = min(r["coverage of AUROC"] for r in rows)
    return "\n".join(
        [f"## Whole procedure, {cohort}\n", head, "|---|---|---|---|---|---|---|", *lines, "", f"Least: {least:.1%}."]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--procedures", type=int, default=600)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, default=RESULTS / "coverage.md")
    given = parser.parse_args()
    sizes = (given.samples, given.resamples)
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        fixed_jobs = {
            (words, auroc): pool.submit(fixed, *cohort, auroc, *sizes)
            for words, cohort in COHORTS.items()
            for auroc in AUROCS
        }
        paired_jobs = {words: pool.submit(paired, *cohort, *sizes) for words, cohort in COHORTS.items()}
        procedure_jobs = {
            words: [
                pool.submit(procedure, *cohort, features, apart, k, 1, given.procedures)
                for features in (2, 10, 40)
                for apart in (0.0, 0.8, 1.4, 2.5)
                for k in ((2, 3, 5, 7) if cohort[0] < 100 else (5,))
            ]
            for words, cohort in COHORTS.items()
        }
        by_cohort = {words: {auroc: fixed_jobs[words, auroc].result() for auroc in AUROCS} for words in COHORTS}
        pairs = {words: job.result() for words, job in paired_jobs.items()}
        procedures = {words: [job.result() for job in jobs] for words, jobs in procedure_jobs.items()}
    samples, cohorts = given.samples, given.procedures
    error, wider = (100 * math.sqrt(0.95 * 0.05 / count) for count in (samples, cohorts))
    parts = [
        "# How often the printed intervals hold the truth",
        f"Level 95 %, synthetic scores. Fixed scores and paired differences: {samples:,} samples each, bootstraps of "
        f"{given.resamples:,} resamples, standard error of a coverage {error:.1f} points. Whole procedure: {cohorts:,} "
        f"cohorts each, standard error {wider:.1f} points. Asked of AUROC and accuracy: 93 to 97 %.",
        *(f"- {verdict(words, found)}" for words, found in by_cohort.items()),
        *(fixed_words(words, found) for words, found in by_cohort.items()),
        "## Paired differences, AUROC 0.80 against 0.85, the same patients\n\n"
        f"| difference of | {' | '.join(pairs)} |\n|---|---|---|\n"
        + "\n".join(
            f"| {found[0].metric} | {' | '.join(_cell(one) for one in found)} |"
            for found in zip(*pairs.values(), strict=True)
        ),
        *(procedure_words(words, rows) for words, rows in procedures.items()),
        f"Made by `python -m benchmarks.coverage --samples {samples} --resamples {given.resamples} --procedures "
        f"{cohorts}` on {machine()}.",
    ]
    given.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(given.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
