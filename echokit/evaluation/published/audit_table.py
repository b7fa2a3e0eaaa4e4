"""Granularity test of every row of a published table of K-fold accuracies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from echokit.data.cohort.text_table import read_text_table
from echokit.errors import DataError
from echokit.evaluation.published.granularity import Granularity, check_accuracy

if TYPE_CHECKING:
    import pandas as pd

NAMES = {
    "n": ("n", "patients"),
    "events": ("events", "positives"),
    "k": ("k", "folds"),
    "accuracy": ("accuracy", "test_accuracy", "accuracy_mean", "mean"),
    "sd": ("sd", "accuracy_sd", "test_accuracy_sd"),
}


@dataclass(frozen=True, slots=True)
class AuditedRow:
    """One row of a table.

    Attributes:
        line: Its line in the file.
        n, events, k: Patients, those of the positive class, folds.
        accuracy, sd: As printed.
        result: Result of the granularity test.
        words: The row and its result as one sentence.
    """

    line: int
    n: int
    events: int
    k: int
    accuracy: str
    sd: str | None
    result: Granularity
    words: str


def audit_table(path: Path, *, patients: int | None = None, events: int | None = None) -> list[AuditedRow]:
    """Test every row of a table of fold accuracies.

    Args:
        path: CSV with the columns of ``NAMES``, under any of their names; ``sd`` may be absent.
        patients: For a table without the column n.
        events: For a table without the column events.

    Raises:
        DataError: The file is no CSV, lacks a column, or a cell is not a valid number; the error names the line.
    """
    if not path.is_file():
        raise DataError(
            "no such file", hint="expected a CSV with n, events, k, accuracy, sd", where=str(path), code="file.missing"
        )
    table = read_text_table(path)
    lower = {str(column).strip().lower(): str(column) for column in table.columns}
    columns = {ours: lower[name] for ours, names in NAMES.items() for name in reversed(names) if name in lower}
    given = {"n": patients, "events": events}
    for ours in ("n", "events", "k", "accuracy"):
        if ours not in columns and given.get(ours) is None:
            hint = f"give --{ours} NUMBER" if ours in given else f"the file has {', '.join(lower)}"
            raise DataError(f"the column {ours} is missing", hint=hint, where=str(path), code="table.missing_column")
    return [_audit(table.iloc[row], columns, given, row + 2, path) for row in range(len(table))]


def _audit(row: pd.Series, columns: dict[str, str], given: dict[str, int | None], line: int, path: Path) -> AuditedRow:
    try:
        n, events, k = (
            int(row[columns[name]]) if name in columns else int(given[name] or 0) for name in ("n", "events", "k")
        )
        accuracy = str(row[columns["accuracy"]]).strip()
        sd = str(row[columns["sd"]]).strip() if "sd" in columns else ""
        if not 0 <= float(accuracy) <= 1 or (sd and float(sd) < 0):
            raise ValueError("an accuracy lies between 0 and 1, and an SD is not negative")
        result = check_accuracy(n, events, k, accuracy, sd or None)
    except ValueError as error:
        raise DataError(
            f"the row cannot be tested: {error}",
            hint="write 0.700, not 70 %",
            where=f"{path}:{line}",
            code="table.bad_number",
        ) from None
    return AuditedRow(line, n, events, k, accuracy, sd or None, result, _describe(n, events, k, accuracy, sd, result))


def _describe(n: int, events: int, k: int, accuracy: str, sd: str, result: Granularity) -> str:
    above = float(accuracy) - result.baseline
    verdict = f"mean {result.mean}"
    if sd:
        if result.mean == "possible" and result.sd == "impossible" and result.population_sd == "possible":
            verdict += "; the SD is possible as population SD (ddof = 0) only"
        elif result.sd is not None:
            verdict += f", with this sample SD (ddof = 1) {result.sd}"
    printed = f"{accuracy} ± {sd}" if sd else accuracy
    better = "above" if above > 0.0005 else "below" if above < -0.0005 else "the same as"
    return (
        f"k = {k}, {n} patients, {events} positives: accuracy {printed}: {verdict} in folds of "
        f"{', '.join(map(str, result.sizes))}; always answering the larger class: {result.baseline:.3f}, and the row "
        f"is {better} that"
    )
