"""Read the rows of a CSV or Parquet table as text, each with its place in the file."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from echokit.errors import DataError
from echokit.system.csv_cells import unguard
from echokit.system.distribution import install_extra
from echokit.system.files import require_regular

DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Rows:
    """A table.

    Attributes:
        columns: Names, without blanks around them.
        rows: Column -> value as text, without blanks around it; empty if there is none.
        places: ``line 5`` for each row, for messages.
    """

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    places: tuple[str, ...]


def read_rows(path: Path) -> Rows:
    """Read a table: Parquet, or CSV with ``,``, ``;`` or tabs in UTF-8.

    Raises:
        DataError: The file is not such a table, has no rows, names a column twice, or has rows of another length.
    """
    where = str(path)
    try:
        require_regular(path)
        with path.open("rb") as file:
            parquet = file.read(4) == b"PAR1"
        table = _parquet(path) if parquet else _csv(path)
    except OSError as error:
        raise DataError(f"the table cannot be read: {error.strerror}", where=where, code="table.unreadable") from None
    duplicates = sorted({name for name in table.columns if table.columns.count(name) > 1})
    if duplicates:
        names = ", ".join(map(repr, duplicates))
        raise DataError(f"names a column twice: {names}", where=where, code="table.duplicate_column")
    if not table.rows:
        raise DataError("has no rows", where=where, code="table.no_rows")
    return table


def delimiter_of(head: str) -> str:
    """Guess the delimiter of a CSV table from its first line."""
    return max(DELIMITERS, key=head.count)


def _csv(path: Path) -> Rows:
    where = str(path)
    rows, places = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter_of(head), strict=True)
            columns = tuple(unguard(name).strip() for name in next(reader, ()))
            for cells in reader:
                if not any(unguard(cell).strip() for cell in cells):
                    continue
                if len(cells) != len(columns):
                    raise DataError(
                        f"the row has {len(cells)} cells, the header {len(columns)}",
                        where=f"{where}:{reader.line_num}",
                        code="table.bad_row",
                    )
                rows.append(dict(zip(columns, (unguard(cell).strip() for cell in cells), strict=True)))
                places.append(f"line {reader.line_num}")
    except UnicodeDecodeError:
        raise DataError(
            "is not UTF-8 text", hint="save it as 'CSV UTF-8'", where=where, code="table.not_utf8"
        ) from None
    except csv.Error as error:
        raise DataError(f"is not a readable CSV table: {error}", where=where, code="table.not_csv") from None
    return Rows(columns, tuple(rows), tuple(places))


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
    rows = tuple(dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True))
    return Rows(columns, rows, tuple(f"row {number + 1}" for number in range(len(rows))))


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
    return str(int(value) if isinstance(value, bool) else value).strip()
