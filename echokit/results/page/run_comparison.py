"""Comparison of several runs: paired differences, recipes and single cases."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.errors import DataError, EchokitError
from echokit.evaluation.evaluation import Metric
from echokit.evaluation.paired_comparison import Difference, compare_predictions
from echokit.evaluation.predictions import Predictions
from echokit.results.headline import headline
from echokit.results.page.page_content import predictions_of
from echokit.results.page.patients import SPLIT
from echokit.results.run import Run
from echokit.results.wording import number, title

if TYPE_CHECKING:
    import pandas as pd

MOST_CASES = 20
NOT_COMPARED = ("name", "report", "track")
"""Keys that change no result."""


@dataclass(frozen=True)
class Paired:
    """The comparison of the first run with another one.

    Attributes:
        other: Name of the other run.
        differences: Other minus first, one for each metric; empty if they cannot be compared.
        problem: Why they cannot be compared, or None.
        disagreements: Cases that the two classify differently: (case_id, truth, score of the first, of the other);
            at most MOST_CASES.
        disagreeing: Number of all such cases.
        cases: Number of cases that both scored.
    """

    other: str
    differences: tuple[Difference, ...]
    problem: str | None
    disagreements: tuple[tuple[str, str, float, float], ...]
    disagreeing: int
    cases: int


@dataclass(frozen=True, repr=False)
class Comparison:
    """Several runs, of which the first is the reference.

    In a notebook it is shown as its ``table``.

    Attributes:
        names: Names of the runs, followed by the time stamp if two are equal.
        stamps: Stamp of each run (PHANTOM DATA), or None.
        metrics: Rows of a name, then a text for each run.
        pairs: One for each run but the first.
        recipes: Rows of a key of the recipe that differs, then its value in each run.
        runs: The runs.
        page: The HTML page, if it was written.
    """

    names: tuple[str, ...]
    stamps: tuple[str | None, ...]
    metrics: tuple[tuple[str, ...], ...]
    pairs: tuple[Paired, ...]
    recipes: tuple[tuple[str, ...], ...]
    runs: tuple[Run, ...]
    page: Path | None = None

    @property
    def table(self) -> pd.DataFrame:
        """The test metrics as text with intervals: a row a metric, a column a run."""
        import pandas as pd

        rows = [row[1:] for row in self.metrics]
        return pd.DataFrame(rows, index=[row[0] for row in self.metrics], columns=list(self.names))

    @property
    def differences(self) -> pd.DataFrame:
        """Each run minus the first, paired over patients: a row a run and metric.

        A run that cannot be compared has one row with the ``problem``.
        """
        import pandas as pd

        columns = ["run", *(field.name for field in fields(Difference)), "problem"]
        rows: list[dict[str, Any]] = []
        for pair in self.pairs:
            rows += [{"run": pair.other, **asdict(difference)} for difference in pair.differences]
            if pair.problem:
                rows.append({"run": pair.other, "problem": pair.problem})
        return pd.DataFrame(rows, columns=columns)

    @property
    def recipe_differences(self) -> pd.DataFrame:
        """The keys of the recipes that differ: a row a key, a column a run."""
        import pandas as pd

        rows = [row[1:] for row in self.recipes]
        return pd.DataFrame(rows, index=[row[0] for row in self.recipes], columns=list(self.names))

    def __repr__(self) -> str:
        stamp = next((f"{stamp}, " for stamp in self.stamps if stamp), "")
        return f"<Comparison of {' and '.join(self.names)}: {stamp}page {self.page}>"

    def _repr_html_(self) -> str:
        """Format the metrics as a table, for notebooks."""
        from html import escape

        stamp = next((f"<p><strong>{escape(stamp)}</strong></p>" for stamp in self.stamps if stamp), "")
        return stamp + self.table.to_html()

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON content."""
        return {
            "runs": list(self.names),
            "data": list(self.stamps),
            "metrics": [list(row) for row in self.metrics],
            "pairs": [asdict(pair) for pair in self.pairs],
            "recipes": [list(row) for row in self.recipes],
        }


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Compare finished runs with the first of them.

    Args:
        runs: Two or more.

    Raises:
        EchokitError: There are fewer than two, or one is unfinished.
    """
    if len(runs) < 2:
        raise EchokitError(
            "a comparison needs two runs or more", hint="echokit compare RUN RUN", code="compare.one_run"
        )
    names = _names(runs)
    predictions = [predictions_of(run) for run in runs]
    metrics = [{m.metric: m for m in headline(run.metrics, SPLIT)} for run in runs]
    rows = []
    for name in dict.fromkeys(name for by_name in metrics for name in by_name):
        of_runs = [by_name.get(name) for by_name in metrics]
        rows.append((title(name), *map(_value_and_interval, of_runs)))
        baselines = ("none" if m is None or m.baseline is None else number(m.baseline) for m in of_runs)
        rows.append((f"{title(name)}, baseline", *baselines))
    first_metrics = [next(iter(by_name.values()), None) for by_name in metrics]
    rows.append(("patients, positive", *("none" if m is None else f"{m.n}, {m.events}" for m in first_metrics)))
    first = predictions[0]
    pairs = [_pair(first, other, name) for other, name in zip(predictions[1:], names[1:], strict=True)]
    recipes = [dict(_flat(run.lock.recipe.to_dict())) for run in runs]
    return Comparison(
        names,
        tuple(run.lock.stamp or run.lock.pretrained_stamp for run in runs),
        tuple(rows),
        tuple(pairs),
        tuple(_differing(recipes)),
        tuple(runs),
    )


def _value_and_interval(metric: Metric | None) -> str:
    if metric is None:
        return "none"
    ends = "" if metric.low is None else f" ({number(metric.low)} to {number(metric.high)})"
    return number(metric.value) + ends


def _names(runs: Sequence[Run]) -> tuple[str, ...]:
    names = [run.lock.recipe.name for run in runs]
    if len(set(names)) == len(names):
        return tuple(names)
    return tuple(f"{name} {run.path.name}" for name, run in zip(names, runs, strict=True))


def _pair(first: Predictions, other: Predictions, name: str) -> Paired:
    problem, differences = None, []
    a, b = _by_case(first), _by_case(other)
    both = sorted(set(a) & set(b))
    other_videos = sum(abs(a[case][2] - b[case][2]) > 1e-6 for case in both)
    other_classes = sum(a[case][0] != b[case][0] for case in both)
    if other_videos:
        problem = f"the test sets differ: {other_videos} of {len(both)} videos with the same name show other hearts"
    elif other_classes:
        problem = f"{other_classes} of {len(both)} videos have another class: the cut-offs or the outcomes differ"
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
    """Collect class, score and target of each test case.

    Score and target are means over folds; a missing target is 0.
    """
    table = predictions.table.assign(target=predictions.table.get("target", 0.0))
    cases = table[table["split"] == SPLIT].groupby("case_id", as_index=False)
    rows = cases.agg({"y_true": "max", "y_score": "mean", "target": "mean"}).to_dict("records")
    return {str(row["case_id"]): (int(row["y_true"]), float(row["y_score"]), float(row["target"])) for row in rows}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a recipe by their dotted keys, as JSON."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            if path or key not in NOT_COMPARED:
                yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{path}.{index}")
    else:
        yield path, json.dumps(value)


def _differing(recipes: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, ...]]:
    for key in dict.fromkeys(key for recipe in recipes for key in recipe):
        values = [recipe.get(key, "absent") for recipe in recipes]
        if len(set(values)) > 1:
            yield (key, *values)
