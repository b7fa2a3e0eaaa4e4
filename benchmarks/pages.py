"""Put the recorded results into the README and the documentation.

``python -m benchmarks.pages``, after ``echokit bench ... --scale small --to benchmarks/results``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from echokit.results.summary.summary import markdown_table
from echokit.tools.bench.columns import Column, Value, column_named
from echokit.tools.bench.write import field, ratio_table

HERE = Path(__file__).parent
RESULTS, ROOT = HERE / "results", HERE.parent
BEGIN, END = "<!-- benchmarks.pages: begin -->", "<!-- benchmarks.pages: end -->"


def results_on_the_phantom(results: Path = RESULTS) -> str:
    """What the README shows.

    Args:
        results: Where the suites' records are.
    """
    stage1, masks, transfer, speed = (_read(results, name) for name in ("stage1", "masks", "transfer", "speed"))
    ratios = [one for row in speed["rows"] for one in (row["measured"] or {}).get("ratios", [])]
    machine = stage1["machine"]
    return "\n\n".join(
        [
            f"**{stage1['data']}**: synthetic hearts. These tables test the software and say nothing of patients. "
            f"Scale `small`, three seeds a row, on {machine['processor']} with {machine['cores']} cores and no GPU; "
            "brackets are 95 % intervals over patients, the seed SD is another thing. All columns, the other suites "
            "and the lock hashes of every row: [benchmarks/results](benchmarks/results).",
            "Stage 1 (`echokit bench stage1 --scale small`), networks of width 8 and 4 epochs, so that two cores can "
            "do it:",
            _table(stage1["rows"], ["test.auroc", "test.accuracy"]),
            "Masks at 56 x 56 (`echokit bench masks --scale small`):",
            _table(masks["rows"], ["test.auroc", "heart_kept", "kept"]),
            "EF weights or random ones, phantom patients in 5 folds (`echokit bench transfer --scale small`):",
            _table(transfer["rows"], ["test.auroc_within_fold", "test.accuracy_pooled"]),
            "Speed, beside the usual way of doing the same in one run, losses included (`echokit bench speed --scale "
            "small`):",
            ratio_table(ratios),
        ]
    )


def costs_of_backbones(results: Path = RESULTS) -> str:
    """What ``docs/backbones.md`` shows."""
    speed = _read(results, "speed")
    [measured] = [row["measured"] for row in speed["rows"] if row["name"] == "backbone_costs"]
    [table] = measured["tables"]
    shown = markdown_table(table["head"], table["rows"])
    return f"{measured['about']}\n\n{shown}\n\nMade by `echokit bench speed --scale small`."


PAGES = {ROOT / "README.md": results_on_the_phantom, ROOT / "docs" / "backbones.md": costs_of_backbones}


def written(page: str, text: str) -> str:
    """A page with the text between its marks."""
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}"


def _read(results: Path, suite: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((results / f"{suite}-small.json").read_text(encoding="utf-8"))
    return content


def _table(rows: Sequence[Mapping[str, Any]], specs: Sequence[str]) -> str:
    columns = [column_named(spec) for spec in specs]
    body = [[row["label"], *(field(column, Value(**row["values"][column.spec])) for column in columns)] for row in rows]
    shown = markdown_table(["", *(column.head for column in columns)], body)
    return f"{shown}\n\nTest set: {_without_information(rows[0], columns)}."


def _without_information(row: Mapping[str, Any], columns: Sequence[Column]) -> str:
    """How many patients and events the metrics of a table rest on, and what knowing nothing would score."""
    values = {column: Value(**row["values"][column.spec]) for column in columns}
    first = next(value for value in values.values() if value.n is not None)
    floors = [
        f"{column.head} {column.write(one.baseline)}" for column, one in values.items() if one.baseline is not None
    ]
    return f"n = {first.n}, {first.events} positive; baselines: {', '.join(floors)}"


if __name__ == "__main__":
    for place, text in PAGES.items():
        place.write_text(written(place.read_text(encoding="utf-8"), text()), encoding="utf-8")
