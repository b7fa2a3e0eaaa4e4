"""Table: what a suite's cells come to, and the files that hold it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from echokit.bench.cell import Result, run_of
from echokit.bench.columns import Cells, Value, column_named
from echokit.bench.execute import Cell, Key
from echokit.bench.observations import Judged, judge
from echokit.bench.published import is_echonet_dynamic, published_numbers
from echokit.bench.resampled import Answer, Scored, answers, mean_interval, scored
from echokit.bench.suite import Row, Suite
from echokit.errors import EchokitError
from echokit.run_directory import Run


@dataclass(frozen=True)
class TableRow:
    """One row.

    Attributes:
        name, label: Of the suite's row.
        values: One a column.
        seeds: Seeds that are done.
        recipe_hashes: Of their locks, in the order of the seeds.
        problem: Why a cell of it failed, or None.
        measured: What its measure gave.
    """

    name: str
    label: str
    values: Mapping[str, Value]
    seeds: tuple[int, ...] = ()
    recipe_hashes: tuple[str, ...] = ()
    problem: str | None = None
    measured: Any = None


@dataclass(frozen=True)
class Table:
    """A finished table.

    Attributes:
        suite: What it was made from.
        stamp: PHANTOM DATA where any row rests on synthetic data, or None.
        rows: In the order of the suite.
        answers: To the suite's questions.
        judged: Its observations.
        machine: What the cells were computed on.
    """

    suite: Suite
    stamp: str | None
    rows: tuple[TableRow, ...]
    answers: tuple[Answer, ...]
    judged: tuple[Judged, ...]
    machine: Mapping[str, Any]


def make_table(suite: Suite, cells: Mapping[Key, Cell], results: Mapping[Key, Result]) -> Table:
    """Put the results of a suite's own cells together."""
    rows, by_name = [], {}
    for row in suite.settings.rows:
        own = [cell for key, cell in cells.items() if key[:2] == (suite.name, row.name) and key in results]
        if own:
            made, scores = _row(suite, row, own, results)
            rows.append(made)
            by_name[row.name] = scores
    labels = {row.name: row.label or row.name for row in suite.settings.rows}
    found = [answer for paired in suite.settings.paired for answer in answers(paired, by_name, labels)]
    values = {row.name: row.values for row in rows}
    judged = judge(suite.settings.observations, values, labels)
    done = [result for result in results.values() if result.status == "done"]
    stamp = next((result.stamp for result in done if result.stamp), None)
    return Table(suite, stamp, tuple(rows), tuple(found), tuple(judged), done[0].machine if done else {})


def _row(suite: Suite, row: Row, own: Sequence[Cell], results: Mapping[Key, Result]) -> tuple[TableRow, Scored | None]:
    label = row.label or row.name
    done = [cell for cell in own if results[cell.key].status == "done"]
    problem = next((results[cell.key].problem for cell in own if results[cell.key].status != "done"), None)
    if row.measure:
        measured = results[done[0].key].measured if done else None
        return TableRow(row.name, label, {}, tuple(c.seed for c in done), problem=problem, measured=measured), None
    runs = [run_of(cell.folder, results[cell.key]) for cell in done]
    try:
        scores = scored(runs, "test")
        values = _values(suite, row, runs, [results[cell.key].facts for cell in done])
    except EchokitError as error:
        return TableRow(row.name, label, {}, problem=str(error)), None
    made = TableRow(
        row.name,
        label,
        values,
        tuple(cell.seed for cell in done),
        tuple(str(results[cell.key].recipe_hash) for cell in done),
        problem,
    )
    return made, scores


def _values(suite: Suite, row: Row, runs: Sequence[Run], facts: Sequence[Mapping[str, Any]]) -> dict[str, Value]:
    if not runs:
        return {}
    metrics = [run.metrics for run in runs]
    intervals = {}
    for spec in suite.settings.columns:
        split, _, name = spec.partition(".")
        if len(runs) > 1 and split in ("train", "val", "test"):
            part = scored(runs, split)
            ends = None if part is None else mean_interval(part, name)
            if ends is not None:
                intervals[(split, name)] = ends
    cells = Cells(
        metrics,
        facts,
        intervals,
        published_numbers(suite.settings.published, row),
        all(is_echonet_dynamic(run.lock) for run in runs),
    )
    wanted = [*suite.settings.columns, *(one.column for one in suite.settings.observations)]
    return {spec: column_named(spec).fill(cells) for spec in dict.fromkeys(wanted)}
