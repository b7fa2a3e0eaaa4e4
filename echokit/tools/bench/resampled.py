"""Bootstrap intervals over patients for means over seeds and for paired differences between rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.errors import DataError
from echokit.evaluation.evaluator import Resampled
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.bootstrap import CHUNK_ELEMENTS, resample_weights
from echokit.plugins.discovery import installed
from echokit.results.run import Run
from echokit.tools.bench.suite import Paired

RESAMPLES = 2_000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """The difference of paired rows on the same patients.

    The second minus the first.

    Attributes:
        question: The question of the suite.
        metric: Name of the metric.
        label: The pair, or ``all`` for the mean over all pairs.
        difference, low, high: Mean over seeds (and pairs), with a percentile interval over patients.
        seeds: Number of seeds per row.
        n, events: Patients and positives.
        problem: Why there is no difference, or None.
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
class SplitScores:
    """The scores of one row on a split: y (n,), scores (seeds, n)."""

    y: npt.NDArray[np.int64]
    scores: Floats
    patients: tuple[str, ...]


def split_scores(runs: Sequence[Run], split: str) -> SplitScores | None:
    """Collect the scores of a row, one run per seed; None with folds.

    Raises:
        DataError: The runs were not tested on the same patients.
    """
    tables = []
    for run in runs:
        table = run.predictions
        table = table[table["split"] == split]
        if table.empty or len(table[["repeat", "fold"]].drop_duplicates()) > 1:
            return None
        tables.append(Predictions(table).per_patient().table.sort_values("patient_id"))
    if not tables:
        return None
    patients = tuple(tables[0]["patient_id"].astype(str))
    if any(tuple(table["patient_id"].astype(str)) != patients for table in tables):
        raise DataError(
            "the seeds of a row were not tested on the same patients",
            hint="use the same cohort and split for all seeds",
            code="bench.different_patients",
        )
    return SplitScores(
        tables[0]["y_true"].to_numpy(np.int64),
        np.stack([table["y_score"].to_numpy(np.float64) for table in tables]),
        patients,
    )


def mean_interval(rows: SplitScores, metric: str, *, seed: int = 0, level: float = 0.95) -> tuple[float, float] | None:
    """Bootstrap the mean of a metric over seeds; None if not resampled."""
    values = _resampled([rows], metric, seed)
    return None if values is None else _ends(values[0], level)


def answers(paired: Paired, rows: dict[str, SplitScores | None], labels: dict[str, str]) -> list[Answer]:
    """Compare each pair of rows, and the mean over all pairs if there are several."""
    compared: list[Answer] = []
    usable: list[tuple[SplitScores, SplitScores]] = []
    for first, second in paired.pairs:
        label = f"{labels[second]} - {labels[first]}"
        before, after = rows.get(first), rows.get(second)
        if before is None or after is None:
            compared.append(Answer(paired.question, paired.metric, label, problem="a cell is missing"))
        elif before.patients != after.patients:
            compared.append(Answer(paired.question, paired.metric, label, problem="not the same patients"))
        else:
            usable.append((before, after))
            compared.append(_answer(paired, label, [(before, after)]))
    patients = {pair[0].patients for pair in usable}
    if len(paired.pairs) > 1 and len(usable) == len(paired.pairs) and len(patients) == 1:
        compared.append(_answer(paired, "all", usable))
    return compared


def _answer(paired: Paired, label: str, pairs: Sequence[tuple[SplitScores, SplitScores]]) -> Answer:
    flat = [side for pair in pairs for side in pair]
    values = _resampled(flat, paired.metric, 0)
    point = _resampled(flat, paired.metric, 0, weights=np.ones((1, len(flat[0].y)), np.int64))
    if values is None or point is None:
        return Answer(paired.question, paired.metric, label, problem=f"{paired.metric} has no resampling statistic")
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
    rows: Sequence[SplitScores], metric: str, seed: int, weights: npt.NDArray[np.int64] | None = None
) -> Floats | None:
    """Compute (rows, resamples): each row's metric on the same resamples."""
    evaluator: Any = installed().registry.get("evaluator", metric).load()()
    if not isinstance(evaluator, Resampled):
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


def _statistics(evaluator: Any, rows: Sequence[SplitScores], weights: npt.NDArray[np.int64]) -> Floats:
    """Compute (rows, B): the metric under B weightings, averaged over seeds."""
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
