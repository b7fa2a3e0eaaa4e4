"""How fast 10,000 bootstrap resamples of AUROC and AUPRC are, beside a loop over scikit-learn.

    python -m benchmarks.bootstrap [--repetitions 5] [--loop 200]

The loop over scikit-learn is timed on `--loop` resamples and scaled to 10,000, as it takes minutes; both take turns,
so that a busy machine slows both. Medians, on one thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

N, EVENTS, RESAMPLES = 1277, 285, 10_000


def cohort(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.zeros(N, np.int64)
    y[:EVENTS] = 1
    return y, 1.8 * y + rng.normal(size=N)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ours(name: str) -> Callable[[], object]:
    from echokit.evaluate.auprc import Auprc
    from echokit.evaluate.auroc import Auroc
    from echokit.evaluate.bootstrap import bootstrap_interval

    evaluator = {"auroc": Auroc(), "auprc": Auprc()}[name]
    y, score = cohort()
    return lambda: bootstrap_interval(
        y, score, evaluator.statistic, resamples=RESAMPLES, stratified=evaluator.stratified, seed=0
    )


def loop(name: str, count: int) -> Callable[[], object]:
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--loop", type=int, default=200)
    given = parser.parse_args()
    works = {name: (ours(name), loop(name, given.loop)) for name in ("auroc", "auprc")}
    for fast, _ in works.values():
        fast()  # warm
    times: dict[str, list[float]] = {f"{name} {way}": [] for name in works for way in ("echokit", "scikit-learn")}
    for _ in range(given.repetitions):
        for name, (fast, slow) in works.items():
            times[f"{name} echokit"].append(seconds(fast))
            times[f"{name} scikit-learn"].append(seconds(slow) * RESAMPLES / given.loop)
    medians = {name: statistics.median(values) for name, values in times.items()}
    result = {"n": N, "events": EVENTS, "resamples": RESAMPLES, "repetitions": given.repetitions, "seconds": medians}
    for name in works:
        result[f"{name} times faster"] = medians[f"{name} scikit-learn"] / medians[f"{name} echokit"]
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
