"""``FileList.csv`` of the EchoNet datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from echokit.data.cohort.csv_format import with_points
from echokit.data.cohort.text_table import read_text_table
from echokit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def read_file_list(listing: Path, required: Sequence[str]) -> pd.DataFrame:
    """Read the table, every cell as text.

    Raises:
        DataError: It is not a readable table, lacks a column, has a row longer than its header, or has no rows.
    """
    table = read_text_table(listing, errors="replace")
    missing = [column for column in required if column not in table.columns]
    if missing:
        raise DataError(
            f"lacks the columns {', '.join(missing)}",
            hint=f"it has {', '.join(table.columns)}",
            where=str(listing),
            code="table.missing_column",
        )
    if table.empty:
        raise DataError("has no rows", where=str(listing), code="table.no_rows")
    return table


def stem(name: str) -> str:
    """Return the name of a video without ``.avi``."""
    name = name.strip()
    return name[:-4] if name.lower().endswith(".avi") else name


def refuse_escapes(names: list[str], listing: Path) -> None:
    """Refuse names with folders: paths of a table stay under the root.

    Raises:
        DataError: A name is not a plain file name; the first such row is named.
    """
    bad = [
        (row, name) for row, name in enumerate(names, start=2) if not name or name != Path(name).name or name == ".."
    ]
    if bad:
        row, name = bad[0]
        raise DataError(
            f"{name!r} is not the name of a video",
            hint=f"{len(bad)} such rows",
            where=f"{listing}:{row}",
            code="source.not_a_name",
        )


def numbers_of(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Select existing columns under new names, as numbers; NaN for any other cell.

    A decimal comma counts as a point, unless the column has both.
    """
    import pandas as pd

    present = {column: name for column, name in columns.items() if column in table.columns}
    texts = {name: with_points(table[column].str.strip().tolist()) for column, name in present.items()}
    return pd.DataFrame({name: pd.to_numeric(pd.Series(cells), errors="coerce") for name, cells in texts.items()})


def untraced(tracings: Path, names: list[str]) -> list[str]:
    """Warn how many videos have no tracing; training needs none."""
    if not tracings.is_file():
        return ["VolumeTracings.csv is missing (training does not need it)"]
    try:
        column = read_text_table(tracings, columns=["FileName"], errors="replace")["FileName"]
    except DataError:
        return ["VolumeTracings.csv cannot be read as a table with the column FileName (training does not need it)"]
    traced = {stem(str(name)) for name in column.unique()}
    without = [name for name in names if name not in traced]
    return [f"{len(without)} videos have no tracing, for example {without[0]}"] if without else []
