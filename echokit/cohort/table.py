"""A table of any hospital: a row a video, with what is to be learned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from echokit.cohort.absent import AbsentError
from echokit.cohort.cohort import COLUMNS, SPLITS, Cohort
from echokit.cohort.outcome import no_number, number, status_at
from echokit.cohort.patients import patients_by_header, spelled_alike
from echokit.cohort.place import place_below
from echokit.cohort.rows import Rows, read_rows
from echokit.errors import DataError, VideoError, did_you_mean
from echokit.schema import DataPath
from echokit.stamp import is_phantom

if TYPE_CHECKING:
    import pandas as pd

RESERVED = (*COLUMNS, "y_true")
OPTIONAL = ("patient_id", "split")
_LIKE = 0.8  # likeness of two names from which one is a misspelling of the other: PatientID and patient, no patient_sex


@dataclass(frozen=True)
class _Source:
    """A row's video: its shortest relative spelling and its place."""

    name: str
    path: Path


class Table:
    """Read a CSV or Parquet table with the columns `source` and a target; `patient_id` and `split` where known.

    A source is an AVI, MP4 or DICOM file, a folder with the DICOM files of one series, or a folder of numbered JPG or
    PNG frames. Cases and patients go by keyed pseudonyms; `sources.csv` in the cache folder, readable by its owner
    only, maps them to the paths. Without `patient_id`, DICOM files are grouped by the patient in their
    header, and any other video counts as a patient of its own. With it, two names for files whose headers name one
    patient are refused.

    Args:
        table: The table; sources are relative to its folder and can not leave it.
        target: Column that is learned; with `horizon`, the name of the outcome that is made.
        horizon: Days by which the outcome counts: 1 with an event by then, 0 without. It is made from `time` and
            `event`.
        time: Column with the days to the event, or to the last contact.
        event: Column with 1 where there was an event, else 0.
        covariates: Further columns to keep. No other column leaves the table, because it may tell who a patient is.
        name: What the dataset is called. Pseudonyms depend on it, so that two hospitals' `001.avi` differ.
    """

    def __init__(
        self,
        *,
        table: DataPath,
        target: str = "target",
        horizon: Annotated[float, Field(gt=0)] | None = None,
        time: str = "time",
        event: str = "event",
        covariates: tuple[str, ...] = (),
        name: Annotated[str, Field(min_length=1)] = "table",
    ) -> None:
        self.table = Path(table).expanduser()
        self.target = target
        self.horizon = horizon
        self.time = time
        self.event = event
        self.covariates = covariates
        self.name = name

    def __call__(self) -> Cohort:
        """Read the table; of the videos, only DICOM headers are opened, for their patients.

        Raises:
            AbsentError: The table does not exist.
            DataError: A column is missing, or a row can not be used; all such rows are counted, the first is named.
        """
        import pandas as pd

        from echokit.fingerprint import content_hash
        from echokit.identity import pseudonym, remember_sources

        if not self.table.exists():
            raise AbsentError(
                f"the dataset is not there: {self.table} does not exist",
                hint="data.table is a CSV or Parquet file with the columns source and target",
                where="data.table",
            )
        rows = read_rows(self.table)
        self.check_columns(rows)
        sources = self._sources(rows)
        case_ids = [pseudonym("case", f"{self.name}\0{source.name}") for source in sources]
        patients, warnings = self._patients(rows, sources)
        cases = pd.DataFrame(
            {
                "case_id": case_ids,
                "patient_id": patients,
                "source": [str(source.path) for source in sources],
                "split": self._splits(rows),
            }
        )
        values, unknown = self._targets(rows)
        cases[self.target] = values
        for column in self.covariates:
            cases[column] = _covariate([row[column] for row in rows.rows])
        left = len(rows.columns) - len({*self._used(rows), *self.covariates} & set(rows.columns))
        if left:
            warnings.append(f"{left} columns of the table are not kept (data.covariates names those to keep)")
        remember_sources(zip(case_ids, patients, (source.path for source in sources), strict=True))
        return Cohort(
            cases,
            name=self.name,
            phantom=is_phantom(self.table, *(source.path for source in sources)),
            warnings=tuple(warnings),
            fingerprint=content_hash(self.table),
            places=dict(zip(case_ids, rows.places, strict=True)),
            unknown={case_ids[row]: f"{rows.places[row]}: {why}" for row, why in unknown.items()},
        )

    def _used(self, rows: Rows) -> tuple[str, ...]:
        learned = (self.target,) if self.horizon is None else (self.time, self.event)
        optional = tuple(column for column in OPTIONAL if column in rows.columns)
        return ("source", *learned, *optional)

    def check_columns(self, rows: Rows) -> None:
        """Refuse a table that lacks what the parameters name.

        Raises:
            DataError: A column is missing, named twice, or nearly called ``patient_id`` or ``split``.
        """
        where = str(self.table)
        wanted = dict.fromkeys((*self._used(rows), *self.covariates))
        missing = [column for column in wanted if column not in rows.columns]
        if missing:
            hint = did_you_mean(missing[0], rows.columns) or f"it has {', '.join(rows.columns)}"
            raise DataError(f"lacks the columns {', '.join(missing)}", hint=hint, where=where)
        unused = [column for column in rows.columns if column not in wanted]
        for name in OPTIONAL:
            # A column of patients or splits that is passed over for its spelling would put a patient on both sides.
            like = None if name in rows.columns else next((column for column in unused if _nearly(column, name)), None)
            if like is not None:
                raise DataError(
                    f"has a column {like!r} and none that is called {name}",
                    hint=f"call it {name} if it is meant; if it is another thing, name it in data.covariates",
                    where=where,
                )
        if self.horizon is not None and self.target in rows.columns:
            raise DataError(
                f"has a column {self.target!r}, and data.horizon makes one",
                hint="remove one of the two, or give the outcome another name with data.target",
                where=where,
            )
        clash = [column for column in (self.target, *self.covariates) if column in RESERVED]
        if clash or self.target in self.covariates or len(set(self.covariates)) < len(self.covariates):
            raise DataError(
                f"target and covariates must differ from each other and from {', '.join(RESERVED)}", where="data"
            )

    def _sources(self, rows: Rows) -> list[_Source]:
        root = self.table.parent
        found: list[_Source] = []
        problems: list[tuple[str, DataError]] = []
        first: dict[str, str] = {}
        for row, place in zip(rows.rows, rows.places, strict=True):
            try:
                name, path = place_below(root, row["source"])
                if name in first:
                    raise DataError(f"the same source as in {first[name]}", hint="a video has one row")
                if path.exists() and self.table.exists() and path.samefile(self.table):
                    raise DataError("the source is the table itself")
            except DataError as error:
                problems.append((place, error))
                continue
            first[name] = place
            found.append(_Source(name, path))
        self._refuse(problems)
        return found

    def _patients(self, rows: Rows, sources: list[_Source]) -> tuple[list[str], list[str]]:
        named = "patient_id" in rows.columns
        given = [row["patient_id"] for row in rows.rows] if named else None
        found = self.patient_ids(given, [(source.name, source.path) for source in sources])
        self._refuse(
            (place, DataError("patient_id is empty", hint="give every row one, or leave the column out"))
            for patient, place in zip(found, rows.places, strict=True)
            if patient is None
        )
        patients = [patient or "" for patient in found]
        if given is not None:
            return patients, self._check_names(given, rows.places, sources)
        alone = sum(self._own(source.name) == p for source, p in zip(sources, patients, strict=True))
        return patients, [f"{alone} videos name no patient: each counts as a patient of its own"] if alone else []

    def _check_names(self, given: list[str], places: Sequence[str], sources: list[_Source]) -> list[str]:
        """Refuse two names for one patient of the DICOM headers; return what is to be said of the names."""
        headers = patients_by_header(given, [patient_in_header(source.path) for source in sources])
        if headers.torn:
            first = headers.torn[0]
            other = next(row for row in first if given[row] != given[first[0]])
            raise DataError(
                f"{places[first[0]]} and {places[other]}: two names in patient_id for files whose headers name one "
                f"patient ({len(headers.torn)} such patients)",
                hint="give all videos of a patient one patient_id: under two names one can be trained on and tested",
                where=str(self.table),
            )
        said = []
        if headers.written:
            said.append(
                f"{headers.written} patients of the table share one patient in the headers of their DICOM files, as "
                "exports write it: patient_id counts"
            )
        alike = spelled_alike(given)
        if alike:
            said.append(
                f"{alike} names in patient_id are there in several spellings that differ only in case or blanks: each "
                "spelling counts as another patient"
            )
        return said

    def patient_ids(self, given: list[str] | None, sources: list[tuple[str, Path]]) -> list[str | None]:
        """Name the patient of each video.

        Args:
            given: The column patient_id, or None where the table has none: then the header of a DICOM file counts, and
                any other video is a patient of its own.
            sources: Relative name and place of each video.

        Returns:
            Pseudonyms; None where the column is there and the cell is empty.
        """
        from echokit.identity import pseudonym

        if given is not None:
            return [pseudonym("patient", f"{self.name}\0{patient}") if patient else None for patient in given]
        known = [patient_in_header(path) for _, path in sources]
        return [
            pseudonym("patient", f"{self.name}\0{patient}") if patient else self._own(name)
            for patient, (name, _) in zip(known, sources, strict=True)
        ]

    def _own(self, name: str) -> str:
        from echokit.identity import pseudonym

        return pseudonym("patient", f"\0{self.name}\0{name}")

    def _splits(self, rows: Rows) -> list[str]:
        if "split" not in rows.columns:
            return [""] * len(rows.rows)
        splits = [row["split"].lower() for row in rows.rows]
        self._refuse(
            (place, DataError(f"the split is none of {', '.join(SPLITS)}"))
            for split, place in zip(splits, rows.places, strict=True)
            if split not in SPLITS
        )
        return splits

    def _targets(self, rows: Rows) -> tuple[list[float], dict[int, str]]:
        values, unknown = [], {}
        for index, row in enumerate(rows.rows):
            value, why = self.target_of(row)
            values.append(value)
            if math.isnan(value):
                unknown[index] = why
        return values, unknown

    def target_of(self, row: Mapping[str, str]) -> tuple[float, str]:
        """Return what is learned of a row, or NaN and why it is not known."""
        if self.horizon is not None:
            return status_at(self.horizon, row[self.time], row[self.event])
        value = number(row[self.target])
        if not math.isnan(value):
            return value, ""
        text = row[self.target]
        return value, f"{self.target} is not a number: {no_number(text)}" if text else f"{self.target} is empty"

    def _refuse(self, problems: Iterable[tuple[str, DataError]]) -> None:
        found = list(problems)
        if found:
            place, error = found[0]
            raise DataError(
                f"{place}: {error.message}" + (f" ({len(found)} such rows)" if len(found) > 1 else ""),
                hint=error.hint,
                where=str(self.table),
            )


def _nearly(column: str, name: str) -> bool:
    one, other = ("".join(filter(str.isalnum, text.lower())) for text in (column, name))
    return SequenceMatcher(None, one, other).ratio() >= _LIKE


def patient_in_header(path: Path) -> str | None:
    """The patient whom a video's header names, not to be shown; None without one, or where it can not be read."""
    from echokit.video.reading import named_patient

    try:
        return named_patient(path)
    except (VideoError, OSError):
        return None  # preparing the video says what is wrong with it


def _covariate(cells: list[str]) -> pd.Series[float] | pd.Series[str]:
    """Numbers where all cells that are filled are numbers, else text."""
    import pandas as pd

    numbers = [number(cell) for cell in cells]
    if all(not cell or not math.isnan(value) for cell, value in zip(cells, numbers, strict=True)):
        return pd.Series(numbers, dtype="float64")
    return pd.Series(cells, dtype="str")
