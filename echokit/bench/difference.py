"""What moved between two tables of one suite, beyond its interval."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from echokit.errors import EchokitError
from echokit.files import require_regular

TOLERANCE = 0.10
"""A number without an interval (seconds, bytes) moved when it changed by more than this share."""


@dataclass(frozen=True)
class Moved:
    """One number in two tables.

    Attributes:
        row, column: Where it stands.
        old, new: The numbers; None where it is in one table only.
        verdict: ``moved``, ``within``, ``only in old``, ``only in new``.
        why: What the verdict rests on.
    """

    row: str
    column: str
    old: float | None
    new: float | None
    verdict: str
    why: str


def read_table(path: Path) -> Mapping[str, Any]:
    """Read a table's JSON; a folder stands for the only JSON in it.

    Raises:
        EchokitError: It is not a table of the suite's JSON form.
    """
    if path.is_dir():
        inside = sorted(path.glob("*.json"))
        if len(inside) != 1:
            raise EchokitError(f"holds {len(inside)} tables", hint="name one of them", where=str(path))
        path = inside[0]
    try:
        require_regular(path)
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not {"suite", "rows", "machine"} <= set(content):
            raise ValueError
    except (OSError, ValueError):
        raise EchokitError("is not a table", hint="give the .json that echokit bench wrote", where=str(path)) from None
    return content


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Moved]:
    """Compare number by number. Two intervals that do not overlap, or a number outside the other's interval, moved.

    Raises:
        EchokitError: The tables are of different suites, scales or kinds of data.
    """
    for what in ("suite", "scale", "data"):
        if old.get(what) != new.get(what):
            raise EchokitError(
                f"the tables can not be compared: {what} is {old.get(what)!r} in one, {new.get(what)!r} in the other"
            )
    before, after = _numbers(old), _numbers(new)
    for place in [*before, *(place for place in after if place not in before)]:
        yield _moved(place, before.get(place), after.get(place))


def _moved(place: tuple[str, str], old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Moved:
    row, column = place
    if old is None or new is None:
        one = old or new or {}
        only = "only in old" if new is None else "only in new"
        return Moved(
            row, column, one["number"] if new is None else None, one["number"] if old is None else None, only, ""
        )
    was, now = old["number"], new["number"]
    if None not in (old.get("low"), new.get("low")):
        apart = now < old["low"] or now > old["high"]
        ends = f"the old interval is {old['low']:.3f} to {old['high']:.3f}"
        return Moved(row, column, was, now, "moved" if apart else "within", ends)
    change = abs(now - was) / abs(was) if was else float(now != was)
    return Moved(
        row, column, was, now, "moved" if change > TOLERANCE else "within", f"changed by {change:.0%}; no interval"
    )


def _numbers(table: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    found = {}
    for row in table["rows"]:
        for column, value in row["values"].items():
            if value["number"] is not None:
                found[(row["name"], column)] = value
        for name, number in ((row["measured"] or {}).get("numbers") or {}).items():
            found[(row["name"], name)] = {"number": number}
    return found
