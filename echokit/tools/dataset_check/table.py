"""Survey of a hospital's table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from echokit.data.cohort.cohort import SPLITS, split_named
from echokit.data.cohort.hospital_table import Table, patient_in_header
from echokit.data.cohort.patient_headers import count_spelling_variants, patients_by_header
from echokit.data.cohort.survival_outcome import number
from echokit.data.cohort.table_rows import read_rows
from echokit.data.cohort.words import are_words, class_of, count_words, yes_among
from echokit.errors import DataError, VideoError
from echokit.system.phantom_mark import is_phantom
from echokit.tools.dataset_check.finding import Finding, finding
from echokit.tools.dataset_check.survey import Listed, Survey

VALUES = ("ef", "esv", "edv", "fps", "frames", "age", "heart_rate")
FIX_TABLE = "fix the table; exclusions cannot"


def survey_table(dataset: Table) -> Survey:
    """Survey a table as the dataset would read it. Cases go by its pseudonyms.

    Columns that are called ef, esv, edv, fps, frames, age or heart_rate, in any case, are checked too.

    Args:
        dataset: The dataset with its parameters.

    Raises:
        DataError: The file is not a readable table, or lacks a column.
    """
    from echokit.data.cohort.pseudonyms import pseudonym, record_sources

    rows = read_rows(dataset.table)
    dataset.check_columns(rows)
    root = dataset.root
    bad: list[tuple[str, str]] = []
    taken: list[tuple[int, str, Path]] = []
    first: dict[str, str] = {}
    for index, (row, place) in enumerate(zip(rows.rows, rows.places, strict=True)):
        try:
            name, path = dataset.place(row["source"])
        except DataError as error:
            bad.append((place, error.message))
            continue
        if name in first:
            bad.append((place, f"the same source as in {first[name]}"))
            continue
        first[name] = place
        taken.append((index, name, path))
    chosen = [rows.rows[index] for index, _, _ in taken]
    given = [row["patient_id"] for row in chosen] if "patient_id" in rows.columns else None
    patients = dataset.patient_ids(given, [(name, path) for _, name, path in taken])
    targets = _targets(dataset, chosen)
    named = {column.lower(): column for column in rows.columns}
    listed = []
    for (_, name, path), row, patient, (target, why) in zip(taken, chosen, patients, targets, strict=True):
        case = pseudonym("case", f"{dataset.name}\0{name}")
        values = {value: number(row[named[value]]) for value in VALUES if value in named}
        split = split_named(row.get("split", ""))
        listed.append(Listed(case, patient or "", split, path, values, target, why))
    record_sources((one.case_id, one.patient_id, one.source) for one in listed)
    extra = [(pseudonym("case", f"{dataset.name}\0{path.relative_to(root)}"), path) for path in _extra(dataset, listed)]
    record_sources((case, "", path) for case, path in extra)
    without_patient = [
        (rows.places[index], "") for (index, _, _), patient in zip(taken, patients, strict=True) if patient is None
    ]
    findings = (
        *_names(listed, given),
        finding("bad_source", "error", "rows whose source cannot be used", bad, hint=FIX_TABLE),
        finding("no_patient", "error", "rows whose patient_id is empty", without_patient, hint=FIX_TABLE),
        finding(
            "extra_video",
            "warning",
            "videos below the table's folder that it does not list",
            [(case, "") for case, _ in extra],
            hint="sources.csv in the cache folder lists them",
        ),
    )
    has_split = "split" in rows.columns
    phantom = is_phantom(root, *(one.source for one in listed))
    return Survey("table", phantom, tuple(listed), findings, splits=SPLITS if has_split else ("",))


def _targets(dataset: Table, rows: Sequence[Mapping[str, str]]) -> list[tuple[float, str]]:
    """Read the targets; of two words, yes or else the second in the alphabet is 1."""
    cells = [] if dataset.horizon is not None else [row[dataset.target] for row in rows]
    words = sorted(count_words(cells)) if are_words(cells) else []
    if len(words) != 2:
        return [dataset.target_of(row) for row in rows]
    word = yes_among(words) or words[1]
    return [(class_of(cell, word), "" if cell else f"{dataset.target} is empty") for cell in cells]


def _names(listed: list[Listed], given: list[str] | None) -> Iterator[Finding]:
    """Find one patient under several names, by DICOM headers or spelling."""
    names = [one.patient_id for one in listed] if given is not None else []
    headers = patients_by_header(
        names, [patient_in_header(one.source) if one.patient_id else None for one in listed] if names else []
    )
    yield finding(
        "patient_under_two_names",
        "error",
        "patients of the table that are one patient in the headers of their DICOM files",
        [(" = ".join(sorted({names[row] for row in rows})), "") for rows in headers.conflicts],
        hint="give all videos of a patient one patient_id",
    )
    yield Finding(
        "one_patient_in_headers",
        "note",
        "patients of the table who share one patient in their DICOM headers, as exports write it: patient_id counts",
        headers.shared,
    )
    yield Finding(
        "patient_spelled_twice",
        "warning",
        "names in patient_id in several spellings that differ only in case or blanks: each counts as another patient",
        count_spelling_variants(given or []),
        hint="write each patient one way",
    )


def _extra(dataset: Table, listed: list[Listed]) -> list[Path]:
    """List the videos below the table's folder that no row leads to."""
    from echokit.data.video.find import is_no_video
    from echokit.data.video.readers import find_reader

    root = dataset.root
    if root != dataset.table.parent:  # a whole drive, perhaps
        return []
    known = {os.path.normpath(one.source) for one in listed}
    extra = []
    for folder, inside, files in os.walk(root):
        inside[:] = sorted(
            n for n in inside if not n.startswith(".") and os.path.normpath(Path(folder) / n) not in known
        )
        for name in sorted(files):
            path = Path(folder) / name
            if name.startswith(".") or os.path.normpath(path) in known or path == dataset.table:
                continue
            if not path.is_file() or path.is_symlink():
                continue
            if is_no_video(path):
                continue
            try:
                find_reader(path)
            except (VideoError, OSError):
                continue
            extra.append(path)
    return extra
