"""Labels of the converted clips from a table: patient, volumes, ejection fraction and split."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from echokit.data.cohort.cohort import SPLITS
from echokit.data.cohort.paths import place_below
from echokit.data.cohort.survival_outcome import HOW_TO_WRITE, explain_number, number
from echokit.data.cohort.table_rows import read_rows
from echokit.errors import DataError

NUMBERS = ("ef", "esv", "edv")


@dataclass(frozen=True)
class Label:
    """One row: text as in the table, empty if missing; split in lower case."""

    values: Mapping[str, str]
    split: str
    patient: str
    place: str


class Labels:
    """A table of labels by file (column ``source``) or by ``patient_id``.

    Args:
        table: CSV or Parquet with ``source`` or ``patient_id`` or both, and any of ``ef``, ``esv``, ``edv`` and
            ``split``.

    Raises:
        DataError: It cannot be read, has neither column or no label, repeats a file or
            patient, or a value cannot be true. Rows are named by their line.
    """

    def __init__(self, table: Path) -> None:
        if not table.is_file():
            raise DataError("the table is missing", where=str(table), code="file.missing")
        rows = read_rows(table)
        columns = {name.lower(): name for name in rows.columns}
        self.by_file = "source" in columns
        self.has_split = "split" in columns
        known = [name for name in (*NUMBERS, "split", "patient_id") if name in columns]
        if len(known) + self.by_file < 2 or not (self.by_file or "patient_id" in columns):
            raise DataError(
                "needs the column source or patient_id, and at least one of ef, esv, edv, split beside it",
                hint=f"it has {', '.join(rows.columns)}",
                where=str(table),
                code="table.missing_column",
            )
        self._labels: dict[str, Label] = {}
        self._used: set[str] = set()
        key_column = columns["source" if self.by_file else "patient_id"]
        for row, place in zip(rows.rows, rows.places, strict=True):
            where = f"{table}: {place}"
            key = _file_key(place_below(table.parent, row[key_column])[1]) if self.by_file else row[key_column]
            if not key:
                raise DataError(
                    "patient_id is empty", hint="every row is about a patient", where=where, code="table.empty_patient"
                )
            if key in self._labels:
                what = "file" if self.by_file else "patient"
                raise DataError(
                    f"the same {what} as in {self._labels[key].place}", where=where, code="labels.duplicate"
                )
            cells = {name: row[columns[name]] for name in known}
            self._labels[key] = Label(_numbers(cells, where), _split(cells, where), cells.get("patient_id", ""), place)

    def find(self, path: Path, patient: str | None) -> Label | None:
        """Return the row of a file, or None if there is none."""
        key = _file_key(path) if self.by_file else patient or ""
        if key in self._labels:
            self._used.add(key)
        return self._labels.get(key)

    def unused(self) -> int:
        """How many rows no file was found for."""
        return len(self._labels) - len(self._used)


def divide(patients: Iterable[str]) -> dict[str, str]:
    """Divide patients among splits in EchoNet-Dynamic's proportions.

    Pseudonyms are keyed, so their order is a random one, the same each time on one machine. Three patients or more
    are in all splits.
    """
    order = sorted(set(patients))
    apart = max(1, round(len(order) * 0.128)) if len(order) >= 3 else 0
    return {
        patient: "test" if rank < apart else "val" if rank < 2 * apart else "train"
        for rank, patient in enumerate(order)
    }


def _file_key(path: Path) -> str:
    return str(path.resolve())


def _numbers(cells: Mapping[str, str], where: str) -> dict[str, str]:
    for name in NUMBERS:
        text = cells.get(name, "")
        value = number(text)
        if text and math.isnan(value):
            raise DataError(
                f"{name} is not a number: {explain_number(text)}",
                hint=HOW_TO_WRITE,
                where=where,
                code="labels.not_a_number",
            )
        if text and (value < 0 or (name == "ef" and value > 100)):
            raise DataError(
                f"{name} cannot be true",
                hint="in percent" if name == "ef" else "in ml",
                where=where,
                code="labels.impossible_value",
            )
    return {name: cells.get(name, "") for name in NUMBERS}


def _split(cells: Mapping[str, str], where: str) -> str:
    split = cells.get("split", "").lower()
    if split and split not in SPLITS:
        raise DataError(f"the split is none of {', '.join(SPLITS)}", where=where, code="table.unknown_split")
    return split
