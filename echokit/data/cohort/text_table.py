"""Read CSV tables of users, every cell as text, into a data frame."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from echokit.data.cohort.csv_format import delimiter_of, encoding_of
from echokit.errors import DataError
from echokit.system.csv_cells import unguarded

if TYPE_CHECKING:
    import pandas as pd


def read_text_table(
    path: Path, *, columns: Sequence[str] | None = None, errors: Literal["strict", "replace"] = "strict"
) -> pd.DataFrame:
    """Read a CSV table in UTF-8 or UTF-16 with ``,``, ``;`` or tabs.

    A missing cell is empty, and names have no blanks around them.

    Args:
        path: The file.
        columns: Read these only; None for all.
        errors: How to treat bytes that are no text.

    Raises:
        DataError: It is not such a table, or a row has more cells than the header, for instance because of a comma
            at its end: pandas would shift or drop cells. The first such row is named.
    """
    import pandas as pd

    try:
        encoding = encoding_of(path)
        with path.open(encoding=encoding, errors="replace") as file:
            delimiter = delimiter_of(file.readline())
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                sep=delimiter,
                dtype=str,
                keep_default_na=False,
                index_col=False,
                usecols=None if columns is None else list(columns),
                encoding=encoding,
                encoding_errors=errors,
            )
    except (ValueError, pd.errors.ParserWarning) as error:
        _refuse_longer(path, errors, delimiter)
        raise DataError(f"is not a readable CSV table: {error}", where=str(path), code="table.not_csv") from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path), code="table.unreadable") from None
    table.columns = [str(column).strip() for column in table.columns]
    return unguarded(table)


def _refuse_longer(path: Path, errors: str, delimiter: str) -> None:
    """Refuse the first row that is longer than the header, if there is one."""
    try:
        with path.open(encoding=encoding_of(path), errors=errors, newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            head = len(next(reader, ()))
            for cells in reader:
                if len(cells) > head:
                    raise DataError(
                        f"the row has {len(cells)} cells, the header {head}",
                        hint="a comma at the end of a line begins another cell",
                        where=f"{path}:{reader.line_num}",
                        code="table.bad_row",
                    )
    except (UnicodeDecodeError, csv.Error):
        return


def line_of_rows(path: Path, rows: Sequence[int]) -> list[int]:
    """Find the lines where rows of ``read_text_table`` begin, counted from 1.

    Empty lines, and cells with several lines, make them differ from the numbers of the rows.
    """
    lines: list[int] = []
    with path.open(encoding=encoding_of(path), errors="replace", newline="") as file:
        delimiter = delimiter_of(file.readline())
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter)
        before = 0
        try:
            for cells in reader:
                if len(cells) > 1 or "".join(cells).strip():
                    lines.append(before + 1)
                before = reader.line_num
        except csv.Error:
            lines = []
    return [lines[row + 1] if row + 1 < len(lines) else row + 2 for row in rows]
