"""Read foreign predictions: a CSV with classes and scores, under any column names."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from echokit.data.cohort.csv_format import delimiter_of, encoding_of
from echokit.data.cohort.text_table import line_of_rows, read_text_table
from echokit.errors import DataError, did_you_mean
from echokit.evaluation.files.classes import MISSING, to_classes
from echokit.evaluation.files.metric_files import count_rows, list_lines, parse_predictions, place, to_number
from echokit.evaluation.predictions import COLUMNS, Predictions, list_cases
from echokit.system.phantom_mark import STAMP

if TYPE_CHECKING:
    import pandas as pd

# Usual names in order of preference; compared without regard to case.
NAMES = {
    "y_true": ("y_true", "true", "truth", "label", "class", "outcome", "target"),
    "y_score": ("y_score", "score", "y_prob", "prob", "probability", "y_pred", "prediction", "pred"),
    "patient_id": ("patient_id", "patient", "subject_id", "subject"),
    "case_id": ("case_id", "case", "id", "filename", "file", "video"),
    "split": ("split",),
    "repeat": ("repeat",),
    "fold": ("fold",),
}


ESTIMATES = ("target", "prediction")


@dataclass(frozen=True, slots=True)
class ForeignPredictions:
    """Predictions read from a file, and the assumptions made in reading it.

    Attributes:
        predictions: In echokit's columns.
        notes: The assumptions, one sentence each, for the user to check.
    """

    predictions: Predictions
    notes: tuple[str, ...]

    @property
    def stamp(self) -> str | None:
        """PHANTOM DATA if the file has this mark in its column ``data``, else None."""
        marks = self.predictions.table.get("data")
        return STAMP if marks is not None and (marks == STAMP).any() else None


def read_foreign_predictions(
    path: Path,
    *,
    positive: str | None = None,
    negative: Sequence[str] = (),
    threshold: float | None = None,
    columns: dict[str, str] | None = None,
) -> ForeignPredictions:
    """Read a CSV of predictions: echokit's own, or one with classes and scores.

    Args:
        path: The file.
        positive: The value of the class column that is the positive class; for 0 and 1 its name.
        negative: The other values of that column; by default all but missing ones.
        threshold: Score at and above which a case is classified as positive; by default that of the file, or 0.5.
        columns: echokit's column to the file's, if the usual names do not fit: ``{"y_true": "died"}``.

    Raises:
        DataError: The file is missing, empty or no CSV, a column is missing or named twice, an outcome is missing or
            neither positive nor negative, a number is invalid, or a case is given twice; the error names cases or
            lines.
    """
    head = [name.strip() for name in _rows(path, 1)[0]]
    twice = sorted({name for name in head if name and head.count(name) > 1})
    if twice:
        raise DataError(
            f"names a column twice: {', '.join(map(repr, twice))}", where=str(path), code="table.duplicate_column"
        )
    table = read_text_table(path)
    names = [str(name) for name in table.columns]
    mapping = _map_columns(names, columns or {}, path)
    own = not columns and set(COLUMNS) <= set(names)
    if table.empty:
        raise DataError("there are no predictions in this file", where=str(path), code="predictions.empty")
    notes = []
    renames = {theirs: ours for ours, theirs in mapping.items() if ours != theirs}
    if renames:
        notes.append(f"columns: {', '.join(f'{theirs} as {ours}' for theirs, ours in renames.items())}")
    if not own:
        # In another file these names may stand for anything.
        unused = [name for name in names if name in (*COLUMNS, *ESTIMATES) and name not in mapping.values()]
        if unused:
            notes.append(f"columns not used: {', '.join(unused)}")
        table = table.drop(columns=unused).rename(columns=renames)
        _complete(table, set(mapping), path)
        if "patient_id" not in mapping:
            notes.append("no column of patients: every row counts as one patient (--patient COLUMN)")
    labels, name, note = to_classes(table, positive, negative, path)
    notes += note
    table["y_true"] = labels
    parsed = parse_predictions(table, path, positive=name, threshold=threshold)
    score = parsed.table["y_score"]
    inside = bool(((score >= 0) & (score <= 1)).all())
    if not inside and parsed.probability:
        notes.append("scores lie outside 0 to 1: they are treated as no probabilities")
    if threshold is None and "threshold" in table.columns:
        notes.append(f"threshold {parsed.threshold:g}, of the column threshold")
    elif threshold is None and not own:
        notes.append("threshold 0.5 (--threshold NUMBER)")
        if not inside:
            notes.append(
                f"the scores go from {score.min():g} to {score.max():g}, and a threshold of 0.5 is for probabilities: "
                f"{int((score >= 0.5).sum())} of {len(score)} rows are classified as {name}; give --threshold"
            )
    return ForeignPredictions(replace(parsed, probability=parsed.probability and inside), tuple(notes))


def _complete(table: pd.DataFrame, given: set[str], path: Path) -> None:
    """Add the columns that a file of other software lacks.

    Blanks around names are taken away.
    """
    for column in ("case_id", "patient_id", "split"):
        if column in given:
            table[column] = table[column].str.strip()
    if "case_id" not in given:
        table["case_id"] = [f"row {line}" for line in line_of_rows(path, range(len(table)))]
    if "patient_id" in given:
        unknown = [row for row, text in enumerate(table["patient_id"]) if text.casefold() in MISSING]
        if unknown:
            raise DataError(
                f"{count_rows(unknown)} no patient: {list_lines(path, table['patient_id'].tolist(), unknown)}",
                hint="they would count as one patient: give each its own name, or leave them out",
                where=place(path, unknown),
                code="predictions.empty_cell",
            )
    else:
        table["patient_id"] = table["case_id"]
    for column, value in (("split", "test"), ("repeat", "0"), ("fold", "0")):
        if column not in given:
            table[column] = value


def is_echonet_predictions(path: Path) -> bool:
    """Detect a ``test_predictions.csv`` of echonet/dynamic: video, clip number, EF."""
    return all(len(row) == 3 and row[1].strip().isdigit() and _is_number(row[2]) for row in _rows(path, 2))


def read_echonet_predictions(path: Path, truth: Path, *, below: float = 50.0) -> ForeignPredictions:
    """Read the predictions of echonet/dynamic and average the EF per video.

    Args:
        path: ``test_predictions.csv``: lines of video, number of the clip and estimated EF, without a header.
        truth: ``FileList.csv`` of the dataset, for the true EF.
        below: A patient is positive below this EF, true or estimated.

    Raises:
        DataError: A file is missing or not of this kind, an estimate is not a number, or a video has no true EF.
    """
    import pandas as pd

    rows = _rows(path, None)
    invalid = [index + 1 for index, row in enumerate(rows) if len(row) != 3 or not _is_number(row[2])]
    if invalid:
        raise DataError(
            "the line is not: video, number of clip, estimated EF", where=f"{path}:{invalid[0]}", code="table.bad_row"
        )
    number_of_clip = [int(row[1]) if row[1].strip().isdecimal() else row[1] for row in rows]
    clips = pd.DataFrame({"video": [_stem(row[0]) for row in rows], "prediction": [float(row[2]) for row in rows]})
    again = clips.assign(clip=number_of_clip).duplicated(["video", "clip"])
    if again.any():
        raise DataError(
            f"clips are given twice: of {list_cases(clips.loc[again, 'video'])}",
            hint="one line a clip",
            where=f"{path}:{int(np.flatnonzero(again)[0]) + 1}",
            code="predictions.duplicate_case",
        )
    estimates = clips.groupby("video", sort=True)["prediction"].mean()
    if not {"FileName", "EF"} <= set(_rows(truth, 1)[0]):
        raise DataError(
            "the columns FileName and EF are missing",
            hint="give FileList.csv",
            where=str(truth),
            code="table.missing_column",
        )
    listed = read_text_table(truth)
    true = pd.Series(
        pd.to_numeric(listed["EF"], errors="coerce").to_numpy(float), index=[_stem(name) for name in listed["FileName"]]
    )
    different = true.groupby(level=0).nunique(dropna=False) > 1
    if different.any():
        raise DataError(
            f"videos have several true EF: {list_cases(different.index[different])}",
            where=str(truth),
            code="truth.duplicate_case",
        )
    true = true[~true.index.duplicated()]
    unknown = [video for video in estimates.index if video not in true.index or not np.isfinite(true[video])]
    if unknown:
        raise DataError(f"there is no true EF for {list_cases(unknown)}", where=str(truth), code="truth.missing_case")
    target, prediction = true[estimates.index].to_numpy(float), estimates.to_numpy(float)
    names = list(estimates.index)
    table = pd.DataFrame({"case_id": names, "patient_id": names, "split": "test", "repeat": 0, "fold": 0})
    table = table.assign(y_true=(target < below).astype(int), y_score=-prediction, target=target, prediction=prediction)
    # Positive strictly below the cut-off, while a score is classified as positive at or above the threshold.
    threshold = float(np.nextafter(-below, np.inf))
    predictions = Predictions(table, f"EF < {below:g}", threshold, probability=False)
    notes = (
        f"{len(clips):,} clips of {len(names):,} videos, averaged per video; every video counts as one patient",
        f"positive: EF < {below:g}; the score is the negated estimate",
    )
    return ForeignPredictions(predictions, notes)


def _map_columns(columns: Sequence[str], requested: dict[str, str], path: Path) -> dict[str, str]:
    """Map echokit's columns to the file's: the requested one, or a usual name."""
    mapping: dict[str, str] = {}
    for ours, names in NAMES.items():
        if ours in requested:
            if requested[ours] not in columns:
                raise DataError(
                    f"there is no column {requested[ours]!r}",
                    hint=did_you_mean(requested[ours], columns) or f"the file has {', '.join(columns)}",
                    where=str(path),
                    code="predictions.missing_column",
                )
            mapping[ours] = requested[ours]
            continue
        used = {*mapping.values(), *requested.values()}
        free = {name.lower(): name for name in reversed(columns) if name not in used}
        match = ours if ours in columns and ours not in used else next((free[n] for n in names if n in free), None)
        if match is not None:
            mapping[ours] = match
        elif ours in ("y_true", "y_score"):
            option = {"y_true": "--true", "y_score": "--score"}[ours]
            raise DataError(
                f"no column looks like {ours}: the file has {', '.join(columns)}",
                hint=f"name it: {option} COLUMN",
                where=str(path),
                code="predictions.missing_column",
            )
    return mapping


def _rows(path: Path, most: int | None) -> list[list[str]]:
    if not path.is_file():
        raise DataError("no such file", hint="expected a CSV of predictions", where=str(path), code="file.missing")
    rows: list[list[str]] = []
    try:
        with path.open(encoding=encoding_of(path), newline="") as file:
            head = file.readline()
            file.seek(0)
            for row in csv.reader(file, delimiter=delimiter_of(head)):
                if row:
                    rows.append(row)
                if most is not None and len(rows) >= most:
                    break
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path), code="table.unreadable") from None
    except (UnicodeError, csv.Error) as error:
        raise DataError(f"not a readable CSV: {error}", where=str(path), code="table.not_csv") from error
    if not rows:
        raise DataError("the file is empty", where=str(path), code="file.empty")
    return rows


def _is_number(text: str) -> bool:
    return math.isfinite(to_number(text))


def _stem(name: str) -> str:
    return name.strip().removesuffix(".avi")
