"""Cells of CSV files that a spreadsheet must not run as formulas.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@``, also after a tab or a carriage return, unless
it is a number. Every table that echokit writes has an apostrophe before such a text, which spreadsheets show as text,
and every reader of echokit takes it away again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import pandas as pd

# Apostrophes before a formula are part of the text, and get another one, so that reading is the exact inverse.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
_LINE_END = "\r\n"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def guard(cell: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would run.

    Anything else, numbers included, is returned as it is.
    """
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def unguard(cell: str) -> str:
    """Take away the apostrophe that `guard` added."""
    return cell[1:] if _GUARDED.match(cell) else cell


def write_rows(file: TextIO, rows: Iterable[Iterable[Any]], *, line_end: str = "\n") -> None:
    """Write rows of a CSV table, the header among them.

    Args:
        file: Opened with ``newline=""``.
        rows: Cells; None is written as an empty cell.
        line_end: Characters at the end of a line.
    """
    lines = _Lines(file, line_end)
    csv.writer(lines, lineterminator=_LINE_END).writerows([guard(cell) for cell in row] for row in rows)


def csv_text(table: pd.DataFrame) -> str:
    """Format a table as CSV with all digits; a missing value is an empty cell."""
    text = io.StringIO(newline="")
    cells = table.astype(object).where(table.notna(), None)
    write_rows(text, [table.columns, *cells.itertuples(index=False, name=None)])
    return text.getvalue()


def unguarded(table: pd.DataFrame) -> pd.DataFrame:
    """Reverse `guard` for every cell and every name of a table that was read."""
    changed = {}
    for column in _texts(table):
        cells = table[column]
        try:
            marked = cells.str.startswith("'", na=False)
        except AttributeError:  # no cell is a text
            continue
        if marked.any():
            changed[column] = [unguard(cell) if mark else cell for cell, mark in zip(cells, marked, strict=True)]
    return table.assign(**changed).rename(columns=unguard)


def _texts(table: pd.DataFrame) -> list[str]:
    """List the columns that may hold texts."""
    from pandas.api.types import is_object_dtype, is_string_dtype

    return [str(column) for column, kind in table.dtypes.items() if is_object_dtype(kind) or is_string_dtype(kind)]


class _Lines:
    """Writes lines with other ends.

    Python before 3.13 quotes a carriage return only if lines end with one, and without quotes it begins another row.
    """

    def __init__(self, file: TextIO, line_end: str) -> None:
        self._file, self._line_end = file, line_end

    def write(self, line: str) -> int:
        return self._file.write(line.removesuffix(_LINE_END) + self._line_end)
