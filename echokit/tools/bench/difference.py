"""Compare two tables of one suite: which numbers moved beyond their interval."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from echokit.errors import EchokitError
from echokit.system.files import require_regular

TOLERANCE = 0.10
"""Relative change from which a number without an interval (seconds, bytes) has moved."""


@dataclass(frozen=True)
class Difference:
    """One number in two tables.

    Attributes:
        row, column: Its row and column.
        old, new: The numbers; None if a table lacks it.
        verdict: ``moved``, ``within``, ``only in old``, ``only in new``.
        why: Reason for the verdict.
    """

    row: str
    column: str
    old: float | None
    new: float | None
    verdict: str
    why: str


def read_table(path: Path) -> Mapping[str, Any]:
    """Read the JSON file of a table; a folder stands for the only JSON file in it.

    Raises:
        EchokitError: The file is not a table, or the folder does not contain exactly one.
    """
    if path.is_dir():
        tables = sorted(path.glob("*.json"))
        if len(tables) != 1:
            raise EchokitError(
                f"contains {len(tables)} tables", hint="name one of them", where=str(path), code="bench.not_one_table"
            )
        path = tables[0]
    try:
        require_regular(path)
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not {"suite", "rows", "machine"} <= set(content):
            raise ValueError
    except (OSError, ValueError):
        raise EchokitError(
            "is not a table",
            hint="give the .json file that echokit bench wrote",
            where=str(path),
            code="bench.not_a_table",
        ) from None
    return content


def compare_tables(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    """Compare two tables number by number.

    Raises:
        EchokitError: The tables are of different suites, scales or kinds of data.
    """
    for key in ("suite", "scale", "data"):
        if old.get(key) != new.get(key):
            raise EchokitError(
                f"the tables cannot be compared: {key} is {old.get(key)!r} in one, {new.get(key)!r} in the other",
                hint="compare two tables of the same suite, scale and data",
                code="bench.different_tables",
            )
    before, after = _numbers(old), _numbers(new)
    for row, column in dict.fromkeys([*before, *after]):
        yield Difference(row, column, *_compare(before.get((row, column)), after.get((row, column))))


def _compare(
    old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> tuple[float | None, float | None, str, str]:
    """Return the old number, the new number, the verdict and its reason."""
    if old is None or new is None:
        before = None if old is None else old["number"]
        after = None if new is None else new["number"]
        return before, after, "only in new" if old is None else "only in old", ""
    before, after = old["number"], new["number"]
    if old.get("low") is not None and new.get("low") is not None:
        moved = not old["low"] <= after <= old["high"]
        reason = f"the old interval is {old['low']:.3f} to {old['high']:.3f}"
    else:
        change = abs(after - before) / abs(before) if before else float(after != before)
        moved = change > TOLERANCE
        reason = f"changed by {change:.0%}; no interval"
    return before, after, "moved" if moved else "within", reason


def _numbers(table: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    numbers = {}
    for row in table["rows"]:
        for column, value in row["values"].items():
            if value["number"] is not None:
                numbers[(row["name"], column)] = value
        for name, number in ((row["measured"] or {}).get("numbers") or {}).items():
            numbers[(row["name"], name)] = {"number": number}
    return numbers
