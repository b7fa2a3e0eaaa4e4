"""Several runs beside each other: on the same patients in pairs, recipe line by line, case by case."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from echokit.errors import DataError, EchokitError
from echokit.evaluate.comparison import Difference, compare_predictions
from echokit.evaluate.predictions import Predictions
from echokit.page.content import SPLIT, headline, predictions_of
from echokit.report.wording import number, title
from echokit.run_directory import Run

MOST_CASES = 20
NOT_COMPARED = ("name", "report", "track")


@dataclass(frozen=True)
class Paired:
    """The first run against another one.

    Attributes:
        other: Name of the other run.
        differences: Other less first, a metric each; empty where they can not be compared.
        problem: Why they can not be compared, or None.
        disagreements: Cases that the two call differently: (case_id, truth, score of the first, of the other).
        disagreeing: How many there are; at most MOST_CASES are given.
        cases: Cases that both scored.
    """

    other: str
    differences: tuple[Difference, ...]
    problem: str | None
    disagreements: tuple[tuple[str, str, float, float], ...]
    disagreeing: int
    cases: int


@dataclass(frozen=True)
class Comparison:
    """Runs beside each other, the first as the one that the others are held against.

    Attributes:
        names: Of the runs, told apart by their stamp where they are the same.
        stamps: What each is stamped with, or None.
        metrics: Rows of name, then a text a run.
        pairs: One for each run but the first.
        recipes: Rows of key, then what each run's recipe says, where they differ.
        runs: In the order of the names.
    """

    names: tuple[str, ...]
    stamps: tuple[str | None, ...]
    metrics: tuple[tuple[str, ...], ...]
    pairs: tuple[Paired, ...]
    recipes: tuple[tuple[str, ...], ...]
    runs: tuple[Run, ...]

    def plain(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "runs": list(self.names),
            "data": list(self.stamps),
            "metrics": [list(row) for row in self.metrics],
            "pairs": [asdict(pair) for pair in self.pairs],
            "recipes": [list(row) for row in self.recipes],
        }


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Hold finished runs against the first of them.

    Args:
        runs: Two or more.

    Raises:
        EchokitError: There are fewer than two, or one is not finished.
    """
    if len(runs) < 2:
        raise EchokitError("a comparison needs two runs or more", hint="echokit compare RUN RUN")
    names = _names(runs)
    predictions = [predictions_of(run) for run in runs]
    metrics = [{m.metric: m for m in headline(run.metrics, SPLIT)} for run in runs]
    rows = []
    for name in dict.fromkeys(name for found in metrics for name in found):
        cells = []
        for found in metrics:
            metric = found.get(name)
            ends = "" if metric is None or metric.low is None else f" ({number(metric.low)} to {number(metric.high)})"
            cells.append("none" if metric is None else number(metric.value) + ends)
        rows.append((title(name), *cells))
        baselines = [
            "none" if m is None or m.baseline is None else number(m.baseline) for m in (f.get(name) for f in metrics)
        ]
        rows.append((f"{title(name)} without information", *baselines))
    tested = [next(iter(found.values()), None) for found in metrics]
    rows.append(("patients, events", *("none" if m is None else f"{m.n}, {m.events}" for m in tested)))
    first = predictions[0]
    pairs = [_pair(first, other, name) for other, name in zip(predictions[1:], names[1:], strict=True)]
    recipes = [dict(_flat(run.lock.recipe.plain())) for run in runs]
    return Comparison(
        names,
        tuple(run.lock.stamp or run.lock.pretrained_stamp for run in runs),
        tuple(rows),
        tuple(pairs),
        tuple(_differing(recipes)),
        tuple(runs),
    )


def _names(runs: Sequence[Run]) -> tuple[str, ...]:
    names = [run.lock.recipe.name for run in runs]
    if len(set(names)) == len(names):
        return tuple(names)
    return tuple(f"{name} {run.path.name}" for name, run in zip(names, runs, strict=True))


def _pair(first: Predictions, other: Predictions, name: str) -> Paired:
    problem, differences = None, []
    a, b = (_by_case(one) for one in (first, other))
    both = sorted(set(a) & set(b))
    others = sum(abs(a[case][2] - b[case][2]) > 1e-6 for case in both)
    classes = sum(a[case][0] != b[case][0] for case in both)
    if others:
        problem = f"they were tested on other hearts: {others} of {len(both)} videos of one name are not the same"
    elif classes:
        problem = f"{classes} of {len(both)} videos are of another class there: the cut-offs or the outcomes differ"
    if problem:
        return Paired(name, (), problem, (), 0, 0)
    try:
        differences = compare_predictions(first, other, split=SPLIT)
    except DataError as error:
        problem = str(error)
    apart = [
        (case, first.positive if a[case][0] else f"not {first.positive}", a[case][1], b[case][1])
        for case in both
        if (a[case][1] >= first.threshold) != (b[case][1] >= other.threshold)
    ]
    apart.sort(key=lambda row: (-abs(row[2] - row[3]), row[0]))
    return Paired(name, tuple(differences), problem, tuple(apart[:MOST_CASES]), len(apart), len(both))


def _by_case(predictions: Predictions) -> dict[str, tuple[int, float, float]]:
    """Class, score and quantity of each test case, the last two as means over folds; without a quantity it is 0."""
    table = predictions.table.assign(target=predictions.table.get("target", 0.0))
    here = table[table["split"] == SPLIT].groupby("case_id", as_index=False)
    found = here.agg({"y_true": "max", "y_score": "mean", "target": "mean"}).to_dict("records")
    return {str(row["case_id"]): (int(row["y_true"]), float(row["y_score"]), float(row["target"])) for row in found}


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            if place or key not in NOT_COMPARED:
                yield from _flat(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{place}.{index}")
    else:
        yield place, json.dumps(value)


def _differing(recipes: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, ...]]:
    for key in dict.fromkeys(key for recipe in recipes for key in recipe):
        said = [recipe.get(key, "not there") for recipe in recipes]
        if len(set(said)) > 1:
            yield (key, *said)
