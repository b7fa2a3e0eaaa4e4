"""Table: the results of the cells of a suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from echokit.errors import EchokitError
from echokit.results.run import Run
from echokit.tools.bench.cell import CellResult, run_of
from echokit.tools.bench.columns import RowResults, Value, column_named
from echokit.tools.bench.execute import Cell, Key
from echokit.tools.bench.observations import JudgedObservation, judge
from echokit.tools.bench.published import is_echonet_dynamic, published_numbers
from echokit.tools.bench.resampled import Answer, SplitScores, answers, mean_interval, split_scores
from echokit.tools.bench.suite import Row, Suite


@dataclass(frozen=True)
class TableRow:
    """One row of a table.

    Attributes:
        name, label: Name and label of the row in the suite.
        values: Value of each column.
        seeds: Seeds of the finished cells.
        recipe_hashes: Recipe hashes of their locks, in the order of the seeds.
        problem: Error message of a failed cell, or None.
        measured: Result of its measure.
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
    """The table of a suite.

    Attributes:
        suite: The suite.
        stamp: PHANTOM DATA if any row uses synthetic data, or None.
        rows: The rows in the order of the suite.
        answers: Answers to the questions of the suite.
        judged: The observations of the suite, judged.
        machine: Processor and library versions.
    """

    suite: Suite
    stamp: str | None
    rows: tuple[TableRow, ...]
    answers: tuple[Answer, ...]
    judged: tuple[JudgedObservation, ...]
    machine: Mapping[str, Any]


def make_table(suite: Suite, cells: Mapping[Key, Cell], results: Mapping[Key, CellResult]) -> Table:
    """Build the table of a suite from the results of its cells."""
    rows, scores = [], {}
    for row in suite.settings.rows:
        row_cells = [cell for key, cell in cells.items() if key[:2] == (suite.name, row.name) and key in results]
        if row_cells:
            table_row, scores[row.name] = _row(suite, row, row_cells, results)
            rows.append(table_row)
    labels = {row.name: row.label or row.name for row in suite.settings.rows}
    answered = [answer for paired in suite.settings.paired for answer in answers(paired, scores, labels)]
    values = {row.name: row.values for row in rows}
    judged = judge(suite.settings.observations, values, labels)
    done = [result for result in results.values() if result.status == "done"]
    stamp = next((result.stamp for result in done if result.stamp), None)
    return Table(suite, stamp, tuple(rows), tuple(answered), tuple(judged), done[0].machine if done else {})


def _row(
    suite: Suite, row: Row, cells: Sequence[Cell], results: Mapping[Key, CellResult]
) -> tuple[TableRow, SplitScores | None]:
    label = row.label or row.name
    done = [cell for cell in cells if results[cell.key].status == "done"]
    problem = next((results[cell.key].problem for cell in cells if results[cell.key].status != "done"), None)
    if row.measure:
        measured = results[done[0].key].measured if done else None
        return TableRow(row.name, label, {}, tuple(c.seed for c in done), problem=problem, measured=measured), None
    runs = [run_of(cell.folder, results[cell.key]) for cell in done]
    try:
        scores = split_scores(runs, "test")
        values = _values(suite, row, runs, [results[cell.key].facts for cell in done])
    except EchokitError as error:
        return TableRow(row.name, label, {}, problem=str(error)), None
    table_row = TableRow(
        row.name,
        label,
        values,
        tuple(cell.seed for cell in done),
        tuple(str(results[cell.key].recipe_hash) for cell in done),
        problem,
    )
    return table_row, scores


def _values(suite: Suite, row: Row, runs: Sequence[Run], facts: Sequence[Mapping[str, Any]]) -> dict[str, Value]:
    if not runs:
        return {}
    metrics = [run.metrics for run in runs]
    intervals = {}
    for spec in suite.settings.columns:
        split, _, name = spec.partition(".")
        if len(runs) > 1 and split in ("train", "val", "test"):
            scores = split_scores(runs, split)
            interval = None if scores is None else mean_interval(scores, name)
            if interval is not None:
                intervals[(split, name)] = interval
    row_results = RowResults(
        metrics,
        facts,
        intervals,
        published_numbers(suite.settings.published, row),
        all(is_echonet_dynamic(run.lock) for run in runs),
    )
    specs = [*suite.settings.columns, *(observation.column for observation in suite.settings.observations)]
    return {spec: column_named(spec).value_of(row_results) for spec in dict.fromkeys(specs)}
