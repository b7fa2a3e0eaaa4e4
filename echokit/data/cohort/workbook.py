"""Read the first sheet of an Excel workbook."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from echokit.errors import DataError
from echokit.system.distribution import install_extra

OLD_EXCEL = b"\xd0\xcf\x11\xe0"
"""First bytes of an .xls file, and of a workbook with a password."""
_PART = "xl/workbook.xml"


def is_workbook(path: Path) -> bool:
    """Whether a file is an Excel workbook (.xlsx, .xlsm), by its content."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _PART in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def read_workbook(path: Path) -> tuple[list[tuple[int, list[Any]]], int]:
    """Read the filled rows of the first visible sheet.

    Returns:
        The number of each filled row, counted from 1, and its cells; and the number of other visible sheets with
        content, which are not read.

    Raises:
        DataError: openpyxl is not installed, or the file cannot be read.
    """
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise DataError(
            "an Excel workbook needs openpyxl",
            hint=f"{install_extra('excel')}, or save it as 'CSV UTF-8'",
            where=str(path),
            code="library.missing",
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # drop-down lists and colours that openpyxl does not keep
            book = load_workbook(path, read_only=True, data_only=True)
            sheets = [list(_filled(sheet)) for sheet in book.worksheets if sheet.sheet_state == "visible"]
            book.close()
    except (zipfile.BadZipFile, zlib.error, ParseError, KeyError, ValueError, TypeError, EOFError, OSError) as error:
        raise DataError(
            f"is not a readable Excel workbook ({type(error).__name__})",
            hint="save it again, or as 'CSV UTF-8'",
            where=str(path),
            code="table.not_workbook",
        ) from None
    filled = [rows for rows in sheets if rows]
    return (filled[0], len(filled) - 1) if filled else ([], 0)


def _filled(sheet: Any) -> Any:
    sheet.reset_dimensions()  # some programs write a wrong size
    for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
        row = list(cells)
        while row and (row[-1] is None or (isinstance(row[-1], str) and not row[-1].strip())):
            row.pop()
        if row:
            yield number, row
