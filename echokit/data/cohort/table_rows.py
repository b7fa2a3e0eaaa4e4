"""Read the rows of a table as text, each with its place in the file."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from echokit.data.cohort.csv_format import delimiter_of, encoding_of, with_points
from echokit.data.cohort.workbook import OLD_EXCEL, is_workbook, read_workbook
from echokit.errors import DataError
from echokit.system.csv_cells import unguard
from echokit.system.distribution import install_extra
from echokit.system.files import require_regular


@dataclass(frozen=True)
class Rows:
    """A table.

    Attributes:
        path: Its file.
        columns: Names, without blanks around them.
        rows: Column -> value as text, without blanks around it; empty if there is none.
        unit: ``line`` of a text file, ``row`` of any other.
        numbers: Number of the line or row of each row.
        notes: What the user should know about the reading.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    unit: str
    numbers: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def places(self) -> tuple[str, ...]:
        """``line 5`` for each row, for messages that do not name the file."""
        return tuple(f"{self.unit} {number}" for number in self.numbers)

    def where(self, row: int) -> str:
        """Return the place of a row with its file: ``cohort.csv:5``."""
        number = self.numbers[row]
        return f"{self.path}:{number}" if self.unit == "line" else f"{self.path}, {self.unit} {number}"


def read_rows(path: Path) -> Rows:
    """Read a table: Excel, Parquet, or CSV with ``,``, ``;`` or tabs.

    CSV is in UTF-8, or in UTF-16 as spreadsheets write "Unicode text". With ``;`` or tabs, decimal commas are read as
    points, unless a column has both.

    Raises:
        DataError: The file is not such a table, has no rows, names a column twice, or has rows of another length.
    """
    where = str(path)
    try:
        require_regular(path)
        with path.open("rb") as file:
            start = file.read(4)
        if start == OLD_EXCEL:
            raise DataError(
                "is an old Excel file, or one with a password",
                hint="save it as .xlsx without a password, or as 'CSV UTF-8'",
                where=where,
                code="table.old_excel",
            )
        parse = _parquet if start == b"PAR1" else _workbook if is_workbook(path) else _csv
        table = parse(path)
    except OSError as error:
        raise DataError(f"the table cannot be read: {error.strerror}", where=where, code="table.unreadable") from None
    duplicates = sorted({name for name in table.columns if table.columns.count(name) > 1})
    if duplicates:
        names = ", ".join(map(repr, duplicates))
        raise DataError(f"names a column twice: {names}", where=where, code="table.duplicate_column")
    if not table.rows:
        raise DataError("has no rows", where=where, code="table.no_rows")
    return table


def _csv(path: Path) -> Rows:
    where = str(path)
    rows: list[list[str]] = []
    numbers: list[int] = []
    try:
        with path.open(encoding=encoding_of(path), newline="") as file:
            head = file.readline()
            file.seek(0)
            delimiter = delimiter_of(head)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            columns = tuple(unguard(name).strip() for name in next(reader, ()))
            for cells in reader:
                if not any(unguard(cell).strip() for cell in cells):
                    continue
                _require_length(cells, columns, f"{where}:{reader.line_num}")
                rows.append([unguard(cell).strip() for cell in cells])
                numbers.append(reader.line_num)
    except UnicodeError:
        raise DataError(
            "is neither UTF-8 nor UTF-16 text", hint="save it as 'CSV UTF-8'", where=where, code="table.not_utf8"
        ) from None
    except csv.Error as error:
        raise DataError(f"is not a readable CSV table: {error}", where=where, code="table.not_csv") from None
    by_column = [list(column) for column in zip(*rows, strict=True)]
    changed = [with_points(cells) for cells in by_column] if delimiter != "," else by_column
    notes = ("decimal commas are read as decimal points",) if changed != by_column else ()
    return Rows(path, columns, _by_row(columns, changed), "line", tuple(numbers), notes)


def _workbook(path: Path) -> Rows:
    filled, others = read_workbook(path)
    if not filled:
        return Rows(path, (), (), "row", ())
    (_, head), *body = filled
    columns = tuple(_text(name) for name in head)
    for number, cells in body:
        cells.extend([None] * (len(columns) - len(cells)))
        _require_length(cells, columns, f"{path}, row {number}")
    rows = tuple(dict(zip(columns, map(_text, cells), strict=True)) for _, cells in body)
    notes = (f"only the first sheet of the workbook is read, and {others} more have content",) if others else ()
    return Rows(path, columns, rows, "row", tuple(number for number, _ in body), notes)


def _require_length(cells: Sequence[object], columns: Sequence[str], where: str) -> None:
    if len(cells) != len(columns):
        raise DataError(f"the row has {len(cells)} cells, the header {len(columns)}", where=where, code="table.bad_row")


def _by_row(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> tuple[Mapping[str, str], ...]:
    return tuple(dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True))


def _parquet(path: Path) -> Rows:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_table
    except ImportError:
        raise DataError(
            "a Parquet table needs pyarrow",
            hint=f"{install_extra('parquet')}, or save it as CSV",
            where=str(path),
            code="library.missing",
        ) from None
    try:
        table = read_table(path)
        columns = tuple(str(name).strip() for name in table.column_names)
        cells = [
            _texts(column.to_pylist(), name, str(path)) for name, column in zip(columns, table.columns, strict=True)
        ]
    except (ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"is not a readable Parquet table ({type(error).__name__})", where=str(path), code="table.not_parquet"
        ) from None
    rows = _by_row(columns, cells)
    return Rows(path, columns, rows, "row", tuple(range(1, len(rows) + 1)))


def _texts(values: list[Any], column: str, where: str) -> list[str]:
    try:
        return [_text(value) for value in values]
    except UnicodeDecodeError:
        raise DataError(
            f"the column {column!r} has bytes that are not UTF-8 text",
            hint="remove the column",
            where=where,
            code="table.not_utf8",
        ) from None


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, bytes):  # text, from a program that did not mark it as text
        return value.decode().strip()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with empty cells has floats
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    return str(int(value) if isinstance(value, bool) else value).strip()
