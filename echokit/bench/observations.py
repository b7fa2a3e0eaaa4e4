"""Observations of others, looked for among our own rows one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from echokit.bench.columns import Value, column_named
from echokit.bench.suite import Observation


@dataclass(frozen=True)
class Judged:
    """What became of an observation.

    Attributes:
        claim: As it was made.
        published: What the published numbers themselves say of it.
        values: Ours, in words.
        verdict: ``seen here``, ``not seen here``, with why it may be chance; or what is missing.
    """

    claim: str
    published: str
    values: str
    verdict: str


def judge(
    observations: Sequence[Observation], rows: Mapping[str, Mapping[str, Value]], labels: Mapping[str, str]
) -> list[Judged]:
    """Look for each observation.

    Args:
        observations: Of a suite.
        rows: Values by row and column; they need not be shown in the table.
        labels: What the table calls a row.
    """
    return [_judge(one, rows, labels) for one in observations]


def _judge(one: Observation, rows: Mapping[str, Mapping[str, Value]], labels: Mapping[str, str]) -> Judged:
    column = column_named(one.column)
    values = [rows.get(name, {}).get(one.column) for name in one.rows]
    numbers = [None if value is None else getattr(value, one.of) for value in values]
    shown = "; ".join(
        f"{labels[name]}: {'missing' if number is None else column.write(number)}"
        for name, number in zip(one.rows, numbers, strict=True)
    )
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        return Judged(one.claim, one.published, shown, "can not be judged: a row is missing")
    if one.highest is not None:
        best = one.rows[known.index(max(known))]
        verdict = "seen here" if best == one.highest else f"not seen here: {labels[best]} is highest"
        claimed = values[one.rows.index(one.highest)]
        if claimed is not None and claimed.low is not None and claimed.high is not None:
            inside = sum(claimed.low <= number <= claimed.high for number in known) - 1
            verdict += f"; {inside} of the {len(known) - 1} others lie inside its interval"
    else:
        steps = [after - before for before, after in pairwise(known)]
        holds = all(step > 0 if one.along == "rises" else step < 0 for step in steps)
        verdict = "seen here" if holds else "not seen here"
    return Judged(one.claim, one.published, shown, verdict)
