"""Canary: what does the frozen-feature pipeline find where there is nothing to find?

    python -m benchmarks.canary [RUN] [--shuffles 1000] [--null 19]

Patient labels are shuffled, and the whole procedure of a nested run is repeated on each shuffle: division into folds by
class, choice of the configuration in inner folds, training, test. The mean AUROC within folds has to be 0.50, and a
permutation test of each shuffle (against ``--null`` further shuffles of its own, so that p <= 0.05 where none of 19
reaches it) has to find something in 5 % of them. An AUROC of 37 pairs has few values, so shuffles tie: a printed p
counts ties against the finding, which makes it a little careful; with ties broken at random the level is exact, and
that is what the band is asked of. The misses of the interval that a run prints are counted too. Each shuffle is divided
with a seed of its own.

RUN is a run of ``lvad_nested``; without it features are drawn at random, of the same size, with patients that have up
to three clips which resemble each other: what a leak between clips of one patient would need.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom

from benchmarks.timing import machine
from echokit import Cohort, Run, load_run
from echokit.evaluation.cross_validation import joined_auroc
from echokit.pipeline.frozen_backbone import Features
from echokit.pipeline.head_search import HeadSearch
from echokit.pipeline.negative_controls import Shuffler
from echokit.recipe.compose import find_recipe
from echokit.recipe.recipe import Recipe
from echokit.recipe.validate import load_recipe
from echokit.results.run_directories import runs_folder
from echokit.system.phantom_mark import STAMP

RESULTS = Path(__file__).parent / "results"
PATIENTS, EVENTS, WIDTH = 34, 7, 1024
TOLERANCE, LEVEL, SURE = 0.01, 0.05, 0.99


def of_run(run: Run) -> tuple[Recipe, Cohort, HeadSearch]:
    """Plan a run on a frozen backbone again, to repeat its head search on other labels."""
    from echokit.pipeline.cohort_stage import load_cohort, prepare_clips
    from echokit.pipeline.fold_plan import plan_folds
    from echokit.pipeline.preflight import preflight
    from echokit.pipeline.session import RunRequest, start_session

    session = start_session(RunRequest(run.lock.recipe, runs_folder(run), "cpu", resume=run))
    checked = preflight(load_cohort(run.lock.recipe), session)
    plan = plan_folds(checked, prepare_clips(checked.cohort), session)
    if plan.head_search is None:
        raise SystemExit(f"{run.path} has no frozen backbone that all folds share")
    return plan.recipe, plan.dataset.cohort, plan.head_search


@cache
def made(run: str | None) -> tuple[Recipe, Cohort, HeadSearch]:
    """The pipeline: of a run, or of features that are drawn at random."""
    if run is not None:
        return of_run(load_run(run))
    recipe = load_recipe(find_recipe("lvad_nested"))
    rng = np.random.default_rng(0)
    clips = rng.choice([1, 2, 3], PATIENTS, p=(0.62, 0.26, 0.12))
    patient = np.repeat(np.arange(PATIENTS), clips)
    n = len(patient)
    own = rng.normal(size=(PATIENTS, WIDTH))
    values = own[patient] + 0.2 * rng.normal(size=(2, n, WIDTH))
    case = np.arange(n)
    features = Features(case, values.astype(np.float32), case, values[0].astype(np.float32))
    y = np.isin(patient, rng.choice(PATIENTS, EVENTS, replace=False)).astype(np.int64)
    cases = pd.DataFrame({"case_id": [f"c{i}" for i in range(n)], "patient_id": [f"p{i:02}" for i in patient]})
    cohort = Cohort(cases.assign(source="", split="", y_true=y), "random features", phantom=True)
    return recipe, cohort, HeadSearch(recipe, features, cases["patient_id"].to_numpy())


def one(run: str | None, number: int, null: int) -> tuple[float, float, float, float, float]:
    """AUROC of one shuffle, its p value, the ends of its interval, and its p value with ties broken at random."""
    import torch

    torch.set_num_threads(1)
    recipe, cohort, procedure = made(run)
    recipe = replace(recipe, seed=number)
    rng = np.random.default_rng([number, 0xCA])
    patients, row = np.unique(cohort.cases["patient_id"].to_numpy(str), return_inverse=True)
    classes = np.zeros(len(patients), np.int64)
    classes[row] = cohort.cases["y_true"]
    canary = replace(cohort, cases=cohort.cases.assign(y_true=rng.permutation(classes)[row]))
    shuffler = Shuffler(procedure, recipe, canary, 1)
    values = shuffler.aurocs([None, *range(null)], seed=number)
    observed, *others = (math.nan if value is None else value for value in values)
    parts = shuffler.test_predictions()
    metric = joined_auroc(parts, level=1 - LEVEL)[0]
    above = sum(other > observed + 1e-12 for other in others)
    ties = sum(abs(other - observed) <= 1e-12 for other in others)
    p, broken = ((above + tied + 1) / (null + 1) for tied in (ties, int(rng.integers(ties + 1))))
    return observed, p, float(metric.low or 0), float(metric.high or 1), broken


def band(rate: float, n: int) -> tuple[float, float]:
    """Where a share of n lies with near certainty if its probability is ``rate``."""
    low, high = binom.interval(SURE, n, rate)
    return float(low) / n, float(high) / n


def words(rows: Sequence[tuple[float, ...]], null: int, source: str) -> list[str]:
    """What the shuffles came to."""
    values = np.array(rows)
    n = len(values)
    mean, error = values[:, 0].mean(), values[:, 0].std(ddof=1) / math.sqrt(n)
    printed, found = ((values[:, column] <= LEVEL + 1e-12).mean() for column in (1, 4))
    missed = ((values[:, 2] > 0.5) | (values[:, 3] < 0.5)).mean()
    low, high = band(LEVEL, n)
    return [
        f"# {STAMP}: what the pipeline finds where there is nothing",
        f"Patient labels shuffled {n:,} times; features of {source}. One division into 5 folds each, the configuration "
        "chosen in 3 inner folds.",
        "| what | found | has to be | holds |\n|---|---|---|---|\n"
        f"| mean AUROC within folds | {mean:.4f} (standard error {error:.4f}) | 0.50 ± {TOLERANCE} | "
        f"{'yes' if abs(mean - 0.5) <= TOLERANCE else 'NO'} |\n"
        f"| permutation tests ({null} shuffles each) with p <= {LEVEL}, ties broken at random | {found:.3f} | "
        f"{low:.3f} to {high:.3f} (binomial, {SURE:.0%}) | {'yes' if low <= found <= high else 'NO'} |\n"
        f"| the same with p as it is printed, ties counted against it | {printed:.3f} | at most {high:.3f} | "
        f"{'yes' if printed <= high else 'NO'} |\n"
        f"| intervals that do not hold 0.5 | {missed:.3f} | at most {high:.3f}: they are widened | "
        f"{'yes' if missed <= high else 'NO'} |",
        f"SD of the AUROC within folds over shuffles: {values[:, 0].std(ddof=1):.3f}; 95 % of them lie between "
        f"{np.quantile(values[:, 0], 0.025):.2f} and {np.quantile(values[:, 0], 0.975):.2f}.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?")
    parser.add_argument("--shuffles", type=int, default=1000)
    parser.add_argument("--null", type=int, default=19)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, default=RESULTS / "canary.md")
    given = parser.parse_args()
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(one, given.run, number, given.null) for number in range(given.shuffles)]
        rows = []
        for job in jobs:
            rows.append(job.result())
            if len(rows) % 100 == 0:
                print(f"{len(rows):,} of {given.shuffles:,} shuffles", flush=True)
    source = (
        "a run of lvad_nested" if given.run else f"{PATIENTS} patients drawn at random, {EVENTS} of the positive class"
    )
    command = (
        f"python -m benchmarks.canary{' RUN' if given.run else ''} --shuffles {given.shuffles} --null {given.null}"
    )
    text = "\n\n".join([*words(rows, given.null, source), f"Made by `{command}` on {machine()}."]) + "\n"
    given.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
