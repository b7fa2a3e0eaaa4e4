"""Recognise how a spreadsheet wrote a CSV table: its encoding and delimiter."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from pathlib import Path

from echokit.errors import DataError

DELIMITERS = (",", ";", "\t")
_HEAD = 512
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+")


def delimiter_of(head: str) -> str:
    """Guess the delimiter of a CSV table from its first line."""
    return max(DELIMITERS, key=head.count)


def encoding_of(path: Path) -> str:
    """Recognise UTF-16 ("Unicode text" of spreadsheets); anything else is UTF-8.

    Raises:
        DataError: The file is no text: a workbook, or another binary file.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # In UTF-16 without a mark every other byte of a Latin letter is zero.
    for encoding, zeros, letters in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if len(zeros) > 1 and zeros.count(0) > 0.8 * len(zeros) and not letters.count(0):
            return encoding
    if b"\0" in head or head.startswith(b"PK\3\4"):
        raise DataError(
            "is not a text file", hint="save the table as 'CSV UTF-8'", where=str(path), code="table.not_text"
        )
    return "utf-8-sig"


def with_points(cells: Sequence[str]) -> list[str]:
    """Replace decimal commas, unless the column has decimal points as well."""
    if any(map(_DECIMAL_POINT.fullmatch, cells)):
        return list(cells)
    return [cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell for cell in cells]
