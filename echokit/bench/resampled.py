"""Intervals over patients of what is averaged over seeds, and of differences between rows on the same patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.bench.suite import Paired
from echokit.errors import DataError
from echokit.evaluate.bootstrap import CHUNK_ELEMENTS, resample_weights
from echokit.evaluate.predictions import Predictions
from echokit.plugins import installed
from echokit.run_directory import Run

RESAMPLES = 2_000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """What pairs of rows say about a question: the second minus the first, on the same patients.

    Attributes:
        question: As the suite asks it.
        metric: What is compared.
        label: Which pair; all of them together where it is ``all``.
        difference, low, high: Mean over seeds (and pairs), with a percentile interval over patients.
        seeds: How many seeds each side has.
        n, events: Patients.
        problem: Why there is no answer.
    """

    question: str
    metric: str
    label: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: int = 0
    n: int = 0
    events: int = 0
    problem: str | None = None


@dataclass(frozen=True)
class Scored:
    """The scores of one row on the patients of a split: y (n,), scores (seeds, n), patients (n,)."""

    y: npt.NDArray[np.int64]
    scores: Floats
    patients: tuple[str, ...]


def scored(runs: Sequence[Run], split: str) -> Scored | None:
    """Scores of the runs of one row, one a seed; None where a run has several folds, or not this split.

    Raises:
        DataError: The runs were not tested on the same patients.
    """
    parts = []
    for run in runs:
        table = run.predictions
        table = table[table["split"] == split]
        if table.empty or len(table[["repeat", "fold"]].drop_duplicates()) > 1:
            return None
        part = Predictions(table).per_patient().table.sort_values("patient_id")
        parts.append(part)
    if not parts:
        return None
    patients = tuple(parts[0]["patient_id"].astype(str))
    if any(tuple(part["patient_id"].astype(str)) != patients for part in parts):
        raise DataError("the seeds of a row were not tested on the same patients")
    return Scored(
        parts[0]["y_true"].to_numpy(np.int64),
        np.stack([part["y_score"].to_numpy(np.float64) for part in parts]),
        patients,
    )


def mean_interval(rows: Scored, metric: str, *, seed: int = 0, level: float = 0.95) -> tuple[float, float] | None:
    """Percentile interval over patients of a metric's mean over seeds; None where the metric offers no statistic."""
    values = _resampled([rows], metric, seed)
    return None if values is None else _ends(values[0], level)


def answers(paired: Paired, rows: dict[str, Scored | None], labels: dict[str, str]) -> list[Answer]:
    """Answer a question for each pair, and for all pairs together where there are several."""
    found: list[Answer] = []
    usable: list[tuple[Scored, Scored]] = []
    for first, second in paired.pairs:
        label = f"{labels[second]} - {labels[first]}"
        one, two = rows.get(first), rows.get(second)
        if one is None or two is None:
            found.append(Answer(paired.question, paired.metric, label, problem="a cell is missing"))
        elif one.patients != two.patients:
            found.append(Answer(paired.question, paired.metric, label, problem="not the same patients"))
        else:
            usable.append((one, two))
            found.append(_answer(paired, label, [(one, two)]))
    same = {pair[0].patients for pair in usable}
    if len(paired.pairs) > 1 and len(usable) == len(paired.pairs) and len(same) == 1:
        found.append(_answer(paired, "all", usable))
    return found


def _answer(paired: Paired, label: str, pairs: Sequence[tuple[Scored, Scored]]) -> Answer:
    flat = [side for pair in pairs for side in pair]
    values = _resampled(flat, paired.metric, 0)
    point = _resampled(flat, paired.metric, 0, weights=np.ones((1, len(flat[0].y)), np.int64))
    if values is None or point is None:
        return Answer(paired.question, paired.metric, label, problem=f"{paired.metric} offers no statistic")
    signs = np.tile([-1.0, 1.0], len(pairs))[:, None] / len(pairs)
    difference = (signs * values).sum(0)
    ends = _ends(difference, 0.95)
    return Answer(
        paired.question,
        paired.metric,
        label,
        difference=float((signs * point).sum()),
        low=ends[0] if ends else None,
        high=ends[1] if ends else None,
        seeds=min(len(side.scores) for side in flat),
        n=len(flat[0].y),
        events=int(flat[0].y.sum()),
    )


def _resampled(
    rows: Sequence[Scored], metric: str, seed: int, weights: npt.NDArray[np.int64] | None = None
) -> Floats | None:
    """(rows, resamples) metric of each row, averaged over its seeds, on the same resamples of patients."""
    evaluator: Any = installed().registry.get("evaluator", metric).load()()
    if not hasattr(evaluator, "statistic"):
        return None
    y = rows[0].y
    chunks = (
        [weights]
        if weights is not None
        else resample_weights(
            y,
            resamples=RESAMPLES,
            stratified=evaluator.stratified,
            seed=seed,
            chunk=max(1, CHUNK_ELEMENTS // len(y)),
        )
    )
    return np.concatenate([_statistics(evaluator, rows, chunk) for chunk in chunks], axis=1)


def _statistics(evaluator: Any, rows: Sequence[Scored], weights: npt.NDArray[np.int64]) -> Floats:
    """(rows, B): the metric under B weightings of the patients, averaged over the seeds of each row."""
    seeds = [[evaluator.statistic(row.y, _input(evaluator, s), weights) for s in row.scores] for row in rows]
    return np.stack([np.mean(each, axis=0) for each in seeds])


def _input(evaluator: Any, score: Floats) -> Floats:
    return (score >= 0.5).astype(np.float64) if evaluator.thresholded else score


def _ends(values: Floats, level: float) -> tuple[float, float] | None:
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
