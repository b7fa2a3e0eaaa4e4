"""``FileList.csv`` of a converted dataset: clips with their labels, patients and splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from echokit.data.cohort.pseudonyms import pseudonym
from echokit.data.video.dicom_content import STUDY
from echokit.errors import DataError
from echokit.tools.convert.labels import NUMBERS, Label, Labels, divide, lines_of
from echokit.tools.convert.record import COPY, Conversion

REPORT = "conversion.csv"
COLUMNS = (
    "FileName", "EF", "ESV", "EDV", "FrameHeight", "FrameWidth", "FPS", "NumberOfFrames", "Split", "PatientId",
)  # fmt: skip
_NAME_PATIENTS = "a table with the columns source (files or folders) and patient_id names their patients"


@dataclass(frozen=True)
class Joined:
    """Files and their labels.

    Attributes:
        rows: Result for each file, with the patient that the table or the header names.
        labels: By case_id, of the cases that have one.
        table: It, or None.
        remarks: What is to be known about them.
    """

    rows: tuple[Conversion, ...]
    labels: Mapping[str, Label]
    table: Labels | None
    remarks: tuple[str, ...]

    @property
    def converted(self) -> list[Conversion]:
        """The clips of the dataset."""
        return [row for row in self.rows if row.status == "converted"]


def join(
    rows: Sequence[Conversion], files: Sequence[Path], patients: Sequence[str | None], labels: Labels | None
) -> Joined:
    """Give each case its label and its patient.

    A patient is whom the table names for the file or for another file of the same header's patient, else whom the
    header names; so the clips of one patient stay together, even if the table names only some of them.

    Args:
        rows: Result for each file; copies of one recording have one case_id.
        files: Their paths.
        patients: Whom the header of each names, or None.
        labels: The table, or None.

    Raises:
        DataError: The rows of one recording differ, or the table gives one patient of the headers several names.
    """
    found: dict[str, Label] = {}
    remarks = []
    if labels is not None:
        of_files, inexact = labels.find(files, patients)
        for row, label in zip(rows, of_files, strict=True):
            other = found.setdefault(row.case_id, label) if label is not None else None
            if label is not None and other is not None and _said(label) != _said(other):
                raise DataError(
                    f"{other.place} and {label.place} are about copies of one recording, and differ",
                    hint="the files have the same content; give both the same values, or list one only",
                    where=str(labels.table),
                    code="labels.copies_differ",
                )
        if inexact:
            remarks.append(
                f"{len(inexact)} patients have the patient of the DICOM except for leading zeros, blanks or case: "
                f"{lines_of(inexact)} of {labels.table}"
            )
        remarks += _unmatched(rows, of_files, labels)
    names = _names_by_header(rows, patients, found, labels)
    joined = []
    for row, patient in zip(rows, patients, strict=True):
        label = found.get(row.case_id)
        name = (label.patient if label else "") or names.get(patient or "") or patient
        joined.append(replace(row, patient_id=pseudonym("patient", name)) if name else row)
    clips = [
        (row, patient or STUDY)
        for row, patient in zip(joined, patients, strict=True)
        if row.status == "converted" and not (row.case_id in found and found[row.case_id].patient)
    ]
    alone = sum(patient.startswith(STUDY) for _, patient in clips)
    if alone > 1:
        remarks.append(
            f"{alone} clips name no patient: those of one study count as one patient, any other as a patient of its "
            f"own, and clips of one patient can come into different splits; {_NAME_PATIENTS}"
        )
    if len(clips) > 1 and len({row.patient_id for row, _ in clips}) == 1:
        remarks.append(
            f"all {len(clips)} clips are of one patient by their headers: if an export wrote that, {_NAME_PATIENTS}"
        )
    return Joined(tuple(joined), found, labels, tuple(remarks))


def listing(joined: Joined, size: int) -> tuple[list[tuple[Any, ...]], tuple[str, ...]]:
    """Return the rows of ``FileList.csv``, and notes about them.

    Raises:
        DataError: The table has splits, but not for every clip, or puts a patient into two of them.
    """
    kept, labels = joined.converted, joined.labels
    remarks = []
    values = {row.case_id: labels[row.case_id].values if row.case_id in labels else {} for row in kept}
    without = sum(not values[row.case_id].get("ef") for row in kept)
    if without and joined.table is not None and "ef" in joined.table.columns:
        remarks.append(f"{without} clips have no ejection fraction: EF is empty")
    if joined.table is not None and joined.table.has_split:
        splits = {row.case_id: labels[row.case_id].split if row.case_id in labels else "" for row in kept}
        _check_splits(kept, splits)
    else:
        divided = divide(row.patient_id for row in kept)
        splits = {row.case_id: divided[row.patient_id] for row in kept}
        remarks.append("split by patient at random in the proportions of EchoNet-Dynamic")
    lines = [
        (
            row.case_id,
            *(values[row.case_id].get(name, "") for name in NUMBERS),
            size,
            size,
            "" if row.fps is None else f"{row.fps:.6g}",
            row.frames,
            splits[row.case_id].upper(),
            row.patient_id,
        )
        for row in kept
    ]
    return lines, tuple(remarks)


def _unmatched(rows: Sequence[Conversion], of_files: Sequence[Label | None], labels: Labels) -> list[str]:
    """List by line the rows without a clip, and the clips without a row."""
    what = "sources" if labels.by_file else "patients"
    seen = {label.place for label in of_files if label is not None}
    usable = {
        label.place
        for row, label in zip(rows, of_files, strict=True)
        if label is not None and (row.status == "converted" or row.remark == COPY)
    }
    remarks = []
    for reason, places in (
        ("no study", [label.place for label in labels.labels if label.place not in seen]),
        ("studies, but no clip that can be used", [p.place for p in labels.labels if p.place in seen - usable]),
    ):
        if places:
            remarks.append(f"{len(places)} {what} of {labels.table} have {reason}: {lines_of(places)}")
    missing = {row.case_id for row, label in zip(rows, of_files, strict=True) if row.status == "converted"} - {
        row.case_id for row, label in zip(rows, of_files, strict=True) if label is not None
    }
    if missing:
        clips = [row for row in rows if row.case_id in missing and row.status == "converted"]
        # Line 1 of the report is its header.
        places = [f"line {number}" for number, row in enumerate(rows, 2) if row in clips]
        patients = len({row.patient_id for row in clips})
        remarks.append(
            f"{len(clips)} clips of {patients} patients have no row in {labels.table}: {lines_of(places)} of {REPORT}"
        )
    return remarks


def _said(label: Label) -> tuple[Any, ...]:
    return dict(label.values), label.split, label.patient


def _names_by_header(
    rows: Sequence[Conversion], patients: Sequence[str | None], labels: Mapping[str, Label], table: Labels | None
) -> dict[str, str]:
    """The table's name of each patient whom headers name."""
    names: dict[str, tuple[str, str]] = {}
    for row, patient in zip(rows, patients, strict=True):
        label = labels.get(row.case_id)
        if patient and label is not None and label.patient:
            name, place = names.setdefault(patient, (label.patient, label.place))
            if name != label.patient:
                raise DataError(
                    f"{place} and {label.place} name two patients for files whose headers name one",
                    hint="one of the two is wrong: a patient under two names would come into two splits",
                    where=str(table.table) if table else None,
                    code="labels.two_names",
                )
    return {patient: name for patient, (name, _) in names.items()}


def _check_splits(kept: Sequence[Conversion], splits: Mapping[str, str]) -> None:
    missing = sum(not split for split in splits.values())
    if missing:
        raise DataError(
            f"the table gives no split for {missing} of {len(kept)} clips",
            hint="give one for every clip, or remove the column",
            code="labels.missing_split",
        )
    found: dict[str, set[str]] = {}
    for row in kept:
        found.setdefault(row.patient_id, set()).add(splits[row.case_id])
    crossing = sum(len(parts) > 1 for parts in found.values())
    if crossing:
        raise DataError(
            f"the table puts {crossing} patients into more than one split", code="labels.patient_in_two_splits"
        )
