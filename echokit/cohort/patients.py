"""One patient under several names in a table: by the headers of the DICOM files, and by how names are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class HeaderPatients:
    """What the headers say of the patients of a table.

    Attributes:
        torn: Rows of each patient of the headers whom the table has under several names.
        written: How many patients of the table share a header that names most of them, as exports write one into all
            files: nothing follows from it.
    """

    torn: tuple[tuple[int, ...], ...]
    written: int


def patients_by_header(names: Sequence[str], headers: Sequence[str | None]) -> HeaderPatients:
    """Find the patients whom a table has under several names although their headers name one.

    Args:
        names: The table's name of the patient, a row a video.
        headers: The patient in the header, or None where the video names none.
    """
    rows: dict[str, list[int]] = {}
    for row, header in enumerate(headers):
        if header:
            rows.setdefault(header, []).append(row)
    everybody = {names[row] for found in rows.values() for row in found}
    torn, written = [], 0
    for found in rows.values():
        several = len({names[row] for row in found})
        if several > 2 and 2 * several > len(everybody):
            written += several
        elif several > 1:
            torn.append(tuple(found))
    return HeaderPatients(tuple(torn), written)


def spelled_alike(names: Sequence[str]) -> int:
    """Count the patients whose name is there in several spellings that differ only in case or blanks."""
    spellings: dict[str, set[str]] = {}
    for name in names:
        spellings.setdefault("".join(name.casefold().split()), set()).add(name)
    return sum(len(found) > 1 for found in spellings.values())
