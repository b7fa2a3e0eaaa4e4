"""Find patients with several names in a table: by DICOM headers, and by spelling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class HeaderPatients:
    """Patients of a table, compared with the headers.

    Attributes:
        conflicts: Rows of each header patient who has several names in the table.
        shared: Number of patients of the table who share one header patient with most others, as some exports write
            one into all files: it proves nothing.
    """

    conflicts: tuple[tuple[int, ...], ...]
    shared: int


def patients_by_header(names: Sequence[str], headers: Sequence[str | None]) -> HeaderPatients:
    """Find the patients with several names in a table and one in their headers.

    Args:
        names: The table's name of the patient of each video.
        headers: The patient in the header of each video, or None.
    """
    rows: dict[str, list[int]] = {}
    for row, header in enumerate(headers):
        if header:
            rows.setdefault(header, []).append(row)
    all_names = {names[row] for same_header in rows.values() for row in same_header}
    conflicts, shared = [], 0
    for same_header in rows.values():
        count = len({names[row] for row in same_header})
        if count > 2 and 2 * count > len(all_names):
            shared += count
        elif count > 1:
            conflicts.append(tuple(same_header))
    return HeaderPatients(tuple(conflicts), shared)


def count_spelling_variants(names: Sequence[str]) -> int:
    """Count the names with several spellings that differ only in case or blanks."""
    spellings: dict[str, set[str]] = {}
    for name in names:
        spellings.setdefault("".join(name.casefold().split()), set()).add(name)
    return sum(len(variants) > 1 for variants in spellings.values())
