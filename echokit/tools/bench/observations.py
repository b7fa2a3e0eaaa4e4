"""Test published observations on the rows of a suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from echokit.tools.bench.columns import Value, column_named
from echokit.tools.bench.suite import Observation


@dataclass(frozen=True)
class JudgedObservation:
    """An observation and whether the rows reproduce it.

    Attributes:
        claim: The observation.
        published: What the published numbers show.
        values: Our values, as text.
        verdict: ``seen here`` or ``not seen here``, with the uncertainty; or what is missing.
    """

    claim: str
    published: str
    values: str
    verdict: str


def judge(
    observations: Sequence[Observation], rows: Mapping[str, Mapping[str, Value]], labels: Mapping[str, str]
) -> list[JudgedObservation]:
    """Judge each observation.

    Args:
        observations: The observations of a suite.
        rows: Values by row and column, including columns that the table does not show.
        labels: Label of each row in the table.
    """
    return [_judge(observation, rows, labels) for observation in observations]


def _judge(
    observation: Observation, rows: Mapping[str, Mapping[str, Value]], labels: Mapping[str, str]
) -> JudgedObservation:
    column = column_named(observation.column)
    values = [rows.get(name, {}).get(observation.column) for name in observation.rows]
    numbers = [None if value is None else getattr(value, observation.of) for value in values]
    shown = "; ".join(
        f"{labels[name]}: {'missing' if number is None else column.write(number)}"
        for name, number in zip(observation.rows, numbers, strict=True)
    )
    defined = [number for number in numbers if number is not None]
    if len(defined) < len(numbers):
        return JudgedObservation(observation.claim, observation.published, shown, "cannot be judged: a row is missing")
    if observation.highest is not None:
        best = observation.rows[defined.index(max(defined))]
        verdict = "seen here" if best == observation.highest else f"not seen here: {labels[best]} is highest"
        claimed = values[observation.rows.index(observation.highest)]
        if claimed is not None and claimed.low is not None and claimed.high is not None:
            inside = sum(claimed.low <= number <= claimed.high for number in defined) - 1
            verdict += f"; {inside} of the {len(defined) - 1} others lie inside its interval"
    else:
        steps = [after - before for before, after in pairwise(defined)]
        holds = all(step > 0 if observation.along == "rises" else step < 0 for step in steps)
        verdict = "seen here" if holds else "not seen here"
    return JudgedObservation(observation.claim, observation.published, shown, verdict)
