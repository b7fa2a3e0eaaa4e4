"""Labels of the converted clips from a table: patient, outcome, volumes, ejection fraction and split."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from echokit.data.cohort.cohort import SPLITS
from echokit.data.cohort.paths import place_below
from echokit.data.cohort.survival_outcome import HOW_TO_WRITE, explain_number, number
from echokit.data.cohort.table_rows import Rows, read_rows
from echokit.errors import DataError, did_you_mean

NUMBERS = ("ef", "esv", "edv")
SURVIVAL = ("time", "event")
TARGET = "target"
_KNOWN = ("source", "patient_id", "split", *NUMBERS)
_OTHER_NAMES = {"lvef": "ef"}
_MOST_VALUES = 20  # of a text that cannot identify a patient
_LONG_NUMBER = 10_000  # a whole number from here up may be an identifier


@dataclass(frozen=True)
class Label:
    """One row: text as in the table, empty if missing; split in lower case."""

    values: Mapping[str, str]
    split: str
    patient: str
    place: str


class Labels:
    """A table of labels by file or folder (column ``source``) or by ``patient_id``.

    Names of these columns, and of ``split``, ``ef``, ``esv`` and ``edv``, are found in any spelling:
    ``Patient ID``, ``EF (%)``. Every other column is kept under its own name, unless it may identify a patient: most of
    its texts differ, or it has long whole numbers, or patient_id in it.

    The target is the column ``target``, else the only one that is kept and is no measurement.

    Args:
        table: CSV or Parquet with ``source`` or ``patient_id`` or both, and any other columns.
        target: Column that becomes the target.
        columns: Columns to keep although they may identify a patient.

    Attributes:
        by_file: Whether rows are about files.
        columns: Names of what each label has, the target as ``target``.
        target: Its name in the table; None if the table has none.
        left_out: Columns that may identify a patient.

    Raises:
        DataError: It cannot be read, has neither column or no label, repeats a file or patient, has several columns
            that could be the target, or a value cannot be true. Rows are named by their line.
    """

    def __init__(self, table: Path, *, target: str | None = None, columns: Sequence[str] = ()) -> None:
        if not table.is_file():
            raise DataError("the table is missing", where=str(table), code="file.missing")
        self.table = table
        rows = read_rows(table)
        known = _known_columns(rows.columns)
        self.by_file = "source" in known
        self.has_split = "split" in known
        if len(rows.columns) < 2 or not (self.by_file or "patient_id" in known):
            raise DataError(
                "needs the column source or patient_id, and another one beside it",
                hint=f"it has {', '.join(rows.columns)}",
                where=str(table),
                code="table.missing_column",
            )
        others = [name for name in rows.columns if name not in known.values()]
        self._require((*columns, *([target] if target else ())), [*others, *(known[n] for n in NUMBERS if n in known)])
        patient = known.get("patient_id")
        hidden = [name for name in others if name not in columns and _may_identify(rows, name, patient)]
        self.target = target or self._find_target([name for name in others if name not in hidden], known)
        self.left_out = tuple(name for name in hidden if name != self.target)
        names = {name: known[name] for name in NUMBERS if name in known}
        names |= {name: name for name in others if name not in self.left_out and name != self.target}
        if self.target is not None:
            if TARGET in names:
                raise DataError(
                    f"has a column {TARGET!r}, and {self.target!r} was named as the target",
                    hint=f"rename the column {TARGET!r}",
                    where=str(table),
                    code="table.target_twice",
                )
            names = {TARGET: self.target, **names}
        self.columns = tuple(names)
        self._labels: dict[str, Label] = {}
        key_column = known["source" if self.by_file else "patient_id"]
        for row, place in zip(rows.rows, rows.places, strict=True):
            where = f"{table}: {place}"
            key = self._key(row[key_column], where)
            if key in self._labels:
                what = "file" if self.by_file else "patient"
                raise DataError(
                    f"the same {what} as in {self._labels[key].place}", where=where, code="labels.duplicate"
                )
            cells = {name: row[column] for name, column in known.items()}
            _check_numbers(cells, where)
            values = {name: row[column] for name, column in names.items()}
            self._labels[key] = Label(values, _split(cells, where), cells.get("patient_id", ""), place)

    def find(self, files: Sequence[Path], patients: Sequence[str | None]) -> tuple[list[Label | None], tuple[str, ...]]:
        """Find the row of each file.

        A patient whom no row names exactly gets the row that differs in leading zeros, blanks and case only, if there
        is one such row, and no other patient for it: spreadsheets drop leading zeros.

        Args:
            files: Their paths.
            patients: Whom the header of each names, or None.

        Returns:
            The row of each or None, and the places of the rows that did not match exactly.
        """
        if self.by_file:
            return [self._of_file(path) for path in files], ()
        headers = {patient for patient in patients if patient}
        rows = {name: name for name in headers if name in self._labels}
        free_rows, free_headers = _by_loose_name(set(self._labels)), _by_loose_name(headers)
        for loose, names in free_headers.items():
            if len(names) == len(free_rows.get(loose, ())) == 1 and names[0] not in rows:
                rows[names[0]] = free_rows[loose][0]
        places = [self._labels[row].place for name, row in rows.items() if name != row]
        return [self._labels.get(rows.get(patient or "", "")) for patient in patients], tuple(places)

    def _of_file(self, path: Path) -> Label | None:
        """Return the row that names the file, else that of its nearest folder."""
        place = Path(_file_key(path))
        keys = map(str, (place, *place.parents))
        return next((self._labels[key] for key in keys if key in self._labels), None)

    @property
    def labels(self) -> tuple[Label, ...]:
        """All rows, in their order."""
        return tuple(self._labels.values())

    def _key(self, cell: str, where: str) -> str:
        if self.by_file:
            try:
                return _file_key(place_below(self.table.parent, cell)[1])
            except DataError as error:
                raise DataError(error.message, hint=error.hint, where=where, code=error.code) from None
        if not cell:
            raise DataError(
                "patient_id is empty", hint="every row is about a patient", where=where, code="table.empty_patient"
            )
        return cell

    def _require(self, names: Sequence[str], columns: Sequence[str]) -> None:
        for name in names:
            if name not in columns:
                raise DataError(
                    f"has no column {name!r} with labels",
                    hint=did_you_mean(name, columns) or f"it has {', '.join(columns)}",
                    where=str(self.table),
                    code="table.missing_column",
                )

    def _find_target(self, candidates: Sequence[str], known: Mapping[str, str]) -> str | None:
        if TARGET in candidates:
            return TARGET
        if set(SURVIVAL) <= set(candidates) or (len(candidates) != 1 and set(NUMBERS) & set(known)):
            return None  # the dataset computes one from the time, or EF is the label
        if len(candidates) > 1:
            raise DataError(
                f"has {len(candidates)} columns that could be the target: {', '.join(candidates)}",
                hint=f"name it: --target {candidates[0]}",
                where=str(self.table),
                code="labels.which_target",
            )
        return candidates[0] if candidates else None


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


def lines_of(places: Iterable[str]) -> str:
    """Join places such as ``line 5``: ``lines 3, 5-8``."""
    texts = list(places)
    word = texts[0].split()[0]
    numbers = sorted({int(text.split()[1]) for text in texts})
    runs: list[list[int]] = []
    for value in numbers:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    spans = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
    return f"{word}{'s' if len(numbers) > 1 else ''} {spans}"


def _known_columns(columns: Sequence[str]) -> dict[str, str]:
    """Map each name that has a meaning here to the column of the table."""
    exact = {"".join(filter(str.isalnum, name)): name for name in _KNOWN}
    known: dict[str, str] = {}
    for column in columns:
        plain = "".join(filter(str.isalnum, column.lower()))
        name = exact.get(plain) or _OTHER_NAMES.get(plain)
        if name is not None:
            known.setdefault(name, column)
    return known


def _may_identify(rows: Rows, column: str, patient: str | None) -> bool:
    """Decide by its cells whether a column could identify a patient."""
    cells = [row[column] for row in rows.rows if row[column]]
    if patient is not None and any(row[column] and row[column] == row[patient] for row in rows.rows):
        return True
    values = [number(cell) for cell in cells]
    if not any(map(math.isnan, values)):
        return any(value.is_integer() and abs(value) >= _LONG_NUMBER for value in values)
    if all(re.fullmatch(r"[+-]?\d+[.,]?\d*\s*%?", cell) for cell in cells):
        return False  # numbers with a decimal comma or a percent sign
    return len(set(cells)) > min(_MOST_VALUES, max(2, len(rows.rows) / 2))


def _by_loose_name(names: Iterable[str]) -> dict[str, list[str]]:
    loose: dict[str, list[str]] = {}
    for name in names:
        loose.setdefault("".join(name.split()).casefold().lstrip("0"), []).append(name)
    return loose


def _file_key(path: Path) -> str:
    return str(path.resolve())


def _check_numbers(cells: Mapping[str, str], where: str) -> None:
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
        if name == "ef" and 0 < value <= 1:
            raise DataError(
                "ef is at most 1: a fraction?",
                hint="give EF in percent: 35, not 0.35",
                where=where,
                code="labels.ef_fraction",
            )
        if text and (value < 0 or (name == "ef" and value > 100)):
            raise DataError(
                f"{name} cannot be true",
                hint="in percent" if name == "ef" else "in ml",
                where=where,
                code="labels.impossible_value",
            )


def _split(cells: Mapping[str, str], where: str) -> str:
    split = cells.get("split", "").lower()
    if split and split not in SPLITS:
        raise DataError(f"the split is none of {', '.join(SPLITS)}", where=where, code="table.unknown_split")
    return split
