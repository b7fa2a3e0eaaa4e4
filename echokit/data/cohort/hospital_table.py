"""A hospital's table: one row for each video, with the target."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from echokit.data.cohort.cohort import COLUMNS, SPLITS, Cohort, split_named
from echokit.data.cohort.missing_dataset import AbsentError
from echokit.data.cohort.paths import place_below
from echokit.data.cohort.patient_headers import count_spelling_variants, patients_by_header
from echokit.data.cohort.survival_outcome import explain_number, number, status_at
from echokit.data.cohort.table_rows import Rows, read_rows
from echokit.data.cohort.words import are_words
from echokit.errors import DataError, VideoError, did_you_mean
from echokit.plugins.parameters import DataPath
from echokit.system.phantom_mark import is_phantom
from echokit.system.terminal_text import on_terminal

if TYPE_CHECKING:
    import pandas as pd

RESERVED = (*COLUMNS, "y_true")
OPTIONAL = ("patient_id", "split")
_SIMILAR = 0.8  # similarity from which a name is a misspelling: PatientID and patient are, patient_sex is not


@dataclass(frozen=True)
class _Source:
    """The video of a row: its shortest relative path, and its path."""

    name: str
    path: Path


class Table:
    """Read a table of videos and targets: CSV, Excel or Parquet.

    The columns are `source` and a target, and `patient_id` and `split` if known.

    A source is an AVI, MP4 or DICOM file, a folder with the DICOM files of one series, a folder of numbered JPG or PNG
    frames, or of a format that a plugin reads. Cases and patients have keyed pseudonyms; `sources.csv` in the cache
    folder, readable by its owner only, maps them to the paths. Without `patient_id`, DICOM files are grouped by
    the patient in their header, and any other video counts as a patient of its own. With it, two
    names for files whose headers name one
    patient are refused.

    Args:
        table: The table.
        root: The folder that all videos are in, null for that of the table. Relative sources begin there or in the
            folder of the table. Absolute ones, `..` and links are followed, and never lead out of it.
        target: Column to predict, of numbers or of two words; with `horizon`, the name of the computed outcome.
        horizon: Days after which the outcome is read: 1 with an event by then, 0 without. It is computed from `time`
            and `event`.
        time: Column with the days to the event, or to the last contact.
        event: Column with 1 for an event, else 0.
        covariates: Further columns to keep. No other column leaves the table, because it may identify a patient.
        name: Name of the dataset. Pseudonyms depend on it, so that `001.avi` of two hospitals differ.
    """

    def __init__(
        self,
        *,
        table: DataPath,
        root: DataPath | None = None,
        target: str = "target",
        horizon: Annotated[float, Field(gt=0)] | None = None,
        time: str = "time",
        event: str = "event",
        covariates: tuple[str, ...] = (),
        name: Annotated[str, Field(min_length=1)] = "table",
    ) -> None:
        self.table = Path(table).expanduser()
        self.root = self.table.parent if root is None else Path(root).expanduser()
        self.target = target
        self.horizon = horizon
        self.time = time
        self.event = event
        self.covariates = covariates
        self.name = name

    def __call__(self) -> Cohort:
        """Read the table; of the videos, only DICOM headers are read, for their patients.

        Raises:
            AbsentError: The table does not exist.
            DataError: A column is missing, or rows cannot be used; they are counted, and the first one is named.
        """
        import pandas as pd

        from echokit.data.cohort.pseudonyms import pseudonym, record_sources
        from echokit.system.hashing import content_hash

        if not self.table.exists():
            raise AbsentError(
                f"the dataset is missing: {self.table} does not exist",
                hint="data.table is a CSV, Excel or Parquet file with the columns source and target",
                where="data.table",
                code="dataset.missing",
            )
        if not self.root.is_dir():
            raise AbsentError(
                f"the folder of the videos is missing: {self.root} does not exist",
                hint="is its drive connected? data.root is the folder that all videos are in",
                where="data.root",
                code="dataset.missing",
            )
        rows = read_rows(self.table)
        self.check_columns(rows)
        sources = self._sources(rows)
        case_ids = [pseudonym("case", f"{self.name}\0{source.name}") for source in sources]
        patients, warnings = self._patients(rows, sources)
        warnings = [*rows.notes, *warnings]
        cases = pd.DataFrame(
            {
                "case_id": case_ids,
                "patient_id": patients,
                "source": [str(source.path) for source in sources],
                "split": self._splits(rows),
            }
        )
        cases[self.target], unknown = self._targets(rows)
        for column in self.covariates:
            cases[column] = _covariate([row[column] for row in rows.rows])
        left = len(rows.columns) - len({*self._used(rows), *self.covariates} & set(rows.columns))
        if left:
            warnings.append(f"{left} columns of the table are not kept (data.covariates names those to keep)")
        record_sources(zip(case_ids, patients, (source.path for source in sources), strict=True))
        return Cohort(
            cases,
            name=self.name,
            phantom=is_phantom(self.table),  # its outcomes are synthetic too
            warnings=tuple(warnings),
            fingerprint=content_hash(self.table),
            places={case: rows.where(row) for row, case in enumerate(case_ids)},
            unknown={case_ids[row]: f"{rows.places[row]}: {why}" for row, why in unknown.items()},
        )

    def _used(self, rows: Rows) -> tuple[str, ...]:
        learned = (self.target,) if self.horizon is None else (self.time, self.event)
        optional = tuple(column for column in OPTIONAL if column in rows.columns)
        return ("source", *learned, *optional)

    def check_columns(self, rows: Rows) -> None:
        """Refuse a table that lacks the columns that the parameters name.

        Raises:
            DataError: A column is missing or named twice, or its name is nearly ``patient_id`` or ``split``.
        """
        where = str(self.table)
        required = dict.fromkeys((*self._used(rows), *self.covariates))
        missing = [column for column in required if column not in rows.columns]
        if missing:
            hint = did_you_mean(missing[0], rows.columns) or f"it has {', '.join(rows.columns)}"
            raise DataError(
                f"lacks the columns {', '.join(missing)}", hint=hint, where=where, code="table.missing_column"
            )
        unused = [column for column in rows.columns if column not in required]
        for name in OPTIONAL:
            # Ignoring a misspelled column of patients or splits would put a patient into two sets.
            similar = next((column for column in unused if _is_similar(column, name)), None)
            if name not in rows.columns and similar is not None:
                raise DataError(
                    f"has a column {similar!r} and none with the name {name}",
                    hint=f"rename it to {name}; if it is something else, name it in data.covariates",
                    where=where,
                    code="table.misspelled_column",
                )
        if self.horizon is not None and self.target in rows.columns:
            raise DataError(
                f"has a column {self.target!r}, and data.horizon computes one",
                hint="remove one of the two, or give the outcome another name with data.target",
                where=where,
                code="table.target_twice",
            )
        reserved = [column for column in (self.target, *self.covariates) if column in RESERVED]
        if reserved or self.target in self.covariates or len(set(self.covariates)) < len(self.covariates):
            raise DataError(
                f"target and covariates must differ from each other and from {', '.join(RESERVED)}",
                where="data",
                code="table.reserved_column",
            )

    def place(self, source: str) -> tuple[str, Path]:
        """Resolve a source of the table: its shortest path below the root, and its place.

        Raises:
            DataError: It cannot be used; the message does not repeat it.
        """
        return place_below(self.root, source, beside=self.table.parent)

    def _sources(self, rows: Rows) -> list[_Source]:
        sources: list[_Source] = []
        problems: list[tuple[int, DataError]] = []
        first: dict[str, int] = {}
        for index, row in enumerate(rows.rows):
            try:
                name, path = self.place(row["source"])
                if name in first:
                    raise DataError(
                        f"the same source as in {rows.places[first[name]]}",
                        hint="a video has one row",
                        code="table.duplicate_source",
                    )
                if path.exists() and self.table.exists() and path.samefile(self.table):
                    raise DataError("the source is the table itself", code="table.own_source")
            except DataError as error:
                said = f"{error.message}: {row['source']}" if row["source"] and on_terminal() else error.message
                problems.append((index, DataError(said, hint=error.hint, code=error.code)))
                continue
            first[name] = index
            sources.append(_Source(name, path))
        _refuse(rows, problems)
        return sources

    def _patients(self, rows: Rows, sources: list[_Source]) -> tuple[list[str], list[str]]:
        given = [row["patient_id"] for row in rows.rows] if "patient_id" in rows.columns else None
        ids = self.patient_ids(given, [(source.name, source.path) for source in sources])
        empty = DataError(
            "patient_id is empty", hint="fill every row, or remove the column", code="table.empty_patient"
        )
        _refuse(rows, ((index, empty) for index, patient in enumerate(ids) if patient is None))
        patients = [patient or "" for patient in ids]
        if given is not None:
            return patients, self._check_names(given, rows.places, sources)
        alone = sum(self._own(source.name) == p for source, p in zip(sources, patients, strict=True))
        return patients, [f"{alone} videos have no patient: each counts as a patient of its own"] if alone else []

    def _check_names(self, given: list[str], places: Sequence[str], sources: list[_Source]) -> list[str]:
        """Refuse two names for one patient of the DICOM headers; return warnings."""
        headers = patients_by_header(given, [patient_in_header(source.path) for source in sources])
        if headers.conflicts:
            first = headers.conflicts[0]
            other = next(row for row in first if given[row] != given[first[0]])
            raise DataError(
                f"{places[first[0]]} and {places[other]}: two names in patient_id for files whose headers name one "
                f"patient ({len(headers.conflicts)} such patients)",
                hint="give all videos of a patient one patient_id: with two names, a patient can be in two sets",
                where=str(self.table),
                code="table.two_names",
            )
        warnings = []
        if headers.shared:
            warnings.append(
                f"{headers.shared} patients of the table share one patient in the headers of their DICOM files, as "
                "some exports do: patient_id is used"
            )
        variants = count_spelling_variants(given)
        if variants:
            warnings.append(
                f"{variants} names in patient_id have several spellings that differ only in case or blanks: each "
                "spelling counts as another patient"
            )
        return warnings

    def patient_ids(self, given: list[str] | None, sources: list[tuple[str, Path]]) -> list[str | None]:
        """Name the patient of each video.

        Args:
            given: The column patient_id, or None if the table has none: then the header of a DICOM file is used, and
                any other video is a patient of its own.
            sources: Relative name and path of each video.

        Returns:
            Pseudonyms; None for an empty cell.
        """
        from echokit.data.cohort.pseudonyms import pseudonym

        if given is not None:
            return [pseudonym("patient", f"{self.name}\0{patient}") if patient else None for patient in given]
        known = [patient_in_header(path) for _, path in sources]
        return [
            pseudonym("patient", f"{self.name}\0{patient}") if patient else self._own(name)
            for patient, (name, _) in zip(known, sources, strict=True)
        ]

    def _own(self, name: str) -> str:
        from echokit.data.cohort.pseudonyms import pseudonym

        return pseudonym("patient", f"\0{self.name}\0{name}")

    def _splits(self, rows: Rows) -> list[str]:
        if "split" not in rows.columns:
            return [""] * len(rows.rows)
        splits = [split_named(row["split"]) for row in rows.rows]
        _refuse(
            rows,
            (
                (
                    index,
                    DataError(f"the split {split!r} is not one of {', '.join(SPLITS)}", code="table.unknown_split"),
                )
                for index, split in enumerate(splits)
                if split not in SPLITS
            ),
        )
        return splits

    def _targets(self, rows: Rows) -> tuple[pd.Series[float] | pd.Series[str], dict[int, str]]:
        """Read the column of targets, and why some are no numbers."""
        import pandas as pd

        found = [self.target_of(row) for row in rows.rows]
        unknown = {index: why for index, (value, why) in enumerate(found) if math.isnan(value)}
        cells = [] if self.horizon is not None else [row[self.target] for row in rows.rows]
        if are_words(cells):
            return pd.Series(cells, dtype="str"), unknown
        return pd.Series([value for value, _ in found], dtype="float64"), unknown

    def target_of(self, row: Mapping[str, str]) -> tuple[float, str]:
        """Return the target of a row, or NaN and the reason why it is not known."""
        if self.horizon is not None:
            return status_at(self.horizon, row[self.time], row[self.event])
        value = number(row[self.target])
        if not math.isnan(value):
            return value, ""
        text = row[self.target]
        return value, f"{self.target} is not a number: {explain_number(text)}" if text else f"{self.target} is empty"


def _refuse(rows: Rows, problems: Iterable[tuple[int, DataError]]) -> None:
    """Refuse the table for the first of some rows; the place is for the terminal only."""
    found = list(problems)
    if found:
        row, error = found[0]
        raise DataError(
            error.message + (f" ({len(found)} such rows)" if len(found) > 1 else ""),
            hint=error.hint,
            where=rows.where(row),
            code=error.code,
        )


def _is_similar(column: str, name: str) -> bool:
    one, other = ("".join(filter(str.isalnum, text.lower())) for text in (column, name))
    return SequenceMatcher(None, one, other).ratio() >= _SIMILAR


def patient_in_header(path: Path) -> str | None:
    """Read the patient in a video's header; None if there is none.

    The name must not be shown.
    """
    from echokit.data.video.read import named_patient

    try:
        return named_patient(path)
    except (VideoError, OSError):
        return None  # preparing the video reports the problem


def _covariate(cells: list[str]) -> pd.Series[float] | pd.Series[str]:
    """Convert cells to numbers if all filled ones are numbers, else to text."""
    import pandas as pd

    numbers = [number(cell) for cell in cells]
    if all(not cell or not math.isnan(value) for cell, value in zip(cells, numbers, strict=True)):
        return pd.Series(numbers, dtype="float64")
    return pd.Series(cells, dtype="str")
