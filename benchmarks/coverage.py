"""How often the intervals that echokit prints hold the truth.

    python -m benchmarks.coverage [--samples 2000] [--procedures 600] [--small-only]

Fixed scores: binormal scores of independent patients are drawn again and again, n = 34 (7 events on average) and
n = 1,277 (285 events on average); the truth is computed on two million patients. Whole procedure: a cohort is drawn,
a ridge discriminant is trained and tested in folds, and the interval is to hold the mean performance of the models
of that training size, which is known exactly. Synthetic numbers: they tell of intervals, not of hearts.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from echokit.evaluate.assessment import assess
from echokit.evaluate.cross_validation import joined_auroc, pooled_proportion
from echokit.evaluate.predictions import Predictions
from echokit.plugins import installed

COHORTS = {"n = 34, 7 events": (34, 7), "n = 1,277, 285 events": (1277, 285)}
NAMES = ("auroc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "balanced_accuracy", "f1", "mcc", "auprc")
NAMES += ("brier", "log_loss", "net_benefit", "calibration", "mae", "rmse", "r2", "bland_altman")
BIG = 2_000_000


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


def fixed(n: int, events: int, auroc: float, samples: int, resamples: int) -> Iterator[dict[str, Any]]:
    registry = installed().registry
    evaluators = [(name, registry.get("evaluator", name).load()()) for name in NAMES]
    apart = math.sqrt(2) * float(ndtri(auroc))
    scale = BIG // n
    big = draw(np.random.default_rng(0), n * scale, events * scale, apart)
    truth = {m.metric: m.value for _, e in evaluators for m in e(big).metrics}
    truth["auroc"] = auroc
    held: dict[str, list[bool]] = {}
    widths: dict[str, list[float]] = {}
    absent: dict[str, int] = {}
    for sample in range(samples):
        part = draw(np.random.default_rng([1, sample]), n, events, apart)
        for metric in assess(part, evaluators, seed=sample, resamples=resamples).metrics:
            value = truth[metric.metric]
            if metric.low is None or metric.high is None or value is None:
                absent[metric.metric] = absent.get(metric.metric, 0) + 1
                continue
            held.setdefault(metric.metric, []).append(metric.low <= value <= metric.high)
            widths.setdefault(metric.metric, []).append(metric.high - metric.low)
    for name in truth:
        if name in held:
            yield {
                "what": "fixed scores",
                "auroc": auroc,
                "metric": name,
                "coverage": round(float(np.mean(held[name])), 4),
                "mean width": round(float(np.mean(widths[name])), 4),
                "samples with an interval": len(held[name]),
                "without": absent.get(name, 0),
            }


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
        (pooled,) = pooled_proportion(accuracy, folds, level=0.95)
        intervals.append((within.low, within.high, pooled.low, pooled.high))
    auroc, right = np.mean(truths, axis=0)
    ends = np.array(intervals, float)
    return {
        "what": "whole procedure",
        "features": features,
        "folds": k,
        "repeats": repeats,
        "mean AUROC": round(float(auroc), 3),
        "mean accuracy": round(float(right), 3),
        "coverage of AUROC": round(float(((ends[:, 0] <= auroc) & (auroc <= ends[:, 1])).mean()), 4),
        "coverage of accuracy": round(float(((ends[:, 2] <= right) & (right <= ends[:, 3])).mean()), 4),
        "mean width of AUROC": round(float((ends[:, 1] - ends[:, 0]).mean()), 3),
        "cohorts": cohorts,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--procedures", type=int, default=600)
    parser.add_argument("--small-only", action="store_true")
    given = parser.parse_args()
    for words, (n, events) in COHORTS.items():
        if given.small_only and n > 100:
            continue
        for auroc in (0.5, 0.7, 0.8, 0.9):
            for row in fixed(n, events, auroc, given.samples, given.resamples):
                print(json.dumps({"cohort": words, **row}), flush=True)
        for features in (2, 10, 40):
            for apart in (0.0, 0.8, 1.4, 2.5):
                for k in (2, 3, 5, 7) if n < 100 else (5,):
                    row = procedure(n, events, features, apart, k, 1, given.procedures)
                    print(json.dumps({"cohort": words, **row}), flush=True)


if __name__ == "__main__":
    main()
