"""How fast 10,000 bootstrap resamples of AUROC and AUPRC are, beside a loop over scikit-learn.

The loop over scikit-learn is timed on ``loop`` resamples and scaled to 10,000, as it takes minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.timing import interleaved, ratio

N, EVENTS, RESAMPLES = 1277, 285, 10_000


def cohort(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.zeros(N, np.int64)
    y[:EVENTS] = 1
    return y, 1.8 * y + rng.normal(size=N)


def ours(name: str) -> Callable[[], object]:
    from echokit.evaluation.metrics.auprc import Auprc
    from echokit.evaluation.metrics.auroc import Auroc
    from echokit.evaluation.statistics.bootstrap import bootstrap_interval

    evaluator = {"auroc": Auroc(), "auprc": Auprc()}[name]
    y, score = cohort()
    return lambda: bootstrap_interval(
        y, score, evaluator.statistic, resamples=RESAMPLES, stratified=evaluator.stratified, seed=0, ranked=True
    )


def looped(name: str, count: int) -> Callable[[], object]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    metric = {"auroc": roc_auc_score, "auprc": average_precision_score}[name]
    y, score = cohort()
    rng = np.random.default_rng(1)

    def work() -> list[float]:
        values = []
        for _ in range(count):
            rows = rng.integers(0, N, N)
            values.append(metric(y[rows], score[rows]))
        return values

    return work


def measure(*, seed: int, repetitions: int = 5, loop: int = 200) -> dict[str, Any]:
    """The measure ``bootstrap``."""
    ways: dict[str, Callable[[], object]] = {}
    for name in ("auroc", "auprc"):
        ways[f"{name} echokit"] = ours(name)
        ways[f"{name} scikit-learn"] = looped(name, loop)
    found = interleaved(ways, repetitions)
    found |= {name: value * RESAMPLES / loop for name, value in found.items() if name.endswith("scikit-learn")}
    return {
        "title": "Bootstrap",
        "about": f"{RESAMPLES:,} resamples of n = {N:,} patients with {EVENTS} events. Asked: at most 0.5 s each.",
        "tables": [
            {
                "head": ["metric", "echokit, s", "loop over scikit-learn, s"],
                "rows": [
                    [name.upper(), f"{found[f'{name} echokit']:.3f}", f"{found[f'{name} scikit-learn']:.1f}"]
                    for name in ("auroc", "auprc")
                ],
            }
        ],
        "numbers": {f"seconds: {name}": value for name, value in found.items()},
        "notes": [f"The loop was timed on {loop} resamples and scaled to {RESAMPLES:,}."],
        "ratios": [
            ratio(
                f"{RESAMPLES:,} bootstrap resamples of {name.upper()}, n = {N:,}",
                "a loop over scikit-learn",
                ours=found[f"{name} echokit"],
                usual=found[f"{name} scikit-learn"],
                asked=30,
            )
            for name in ("auroc", "auprc")
        ],
    }
