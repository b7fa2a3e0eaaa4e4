"""Read foreign predictions: a CSV with classes and scores, under any column names."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from echokit.data.cohort.table_rows import delimiter_of
from echokit.data.cohort.text_table import read_text_table
from echokit.errors import DataError, did_you_mean
from echokit.evaluation.files.metric_files import read_predictions, to_number
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
    threshold: float | None = None,
    columns: dict[str, str] | None = None,
) -> ForeignPredictions:
    """Read a CSV of predictions: echokit's own, or one with classes and scores.

    Args:
        path: The file.
        positive: The value of the class column that is the positive class; for 0 and 1 its name.
        threshold: Score at and above which a case is classified as positive; by default that of the file, or 0.5.
        columns: echokit's column to the file's, if the usual names do not fit: ``{"y_true": "died"}``.

    Raises:
        DataError: The file is missing or no CSV, a column is missing, the classes are not two, or a score is not a
            finite number; the error names the cases.
    """
    import pandas as pd

    head = _rows(path, 1)[0]
    if not columns and set(COLUMNS) <= set(head):
        return ForeignPredictions(read_predictions(path, positive=positive or "positive", threshold=threshold), ())
    table = read_text_table(path)
    mapping = _map_columns([str(name) for name in table.columns], columns or {}, path)
    renames = {theirs: ours for ours, theirs in mapping.items() if ours != theirs}
    notes = [f"columns: {', '.join(f'{theirs} as {ours}' for theirs, ours in renames.items())}"] if renames else []
    renamed = table.rename(columns=renames)
    if "case_id" not in mapping:
        renamed["case_id"] = [f"row {row + 2}" for row in range(len(table))]
    if "patient_id" not in mapping:
        renamed["patient_id"] = renamed["case_id"]
        notes.append("no column of patients: every row counts as one patient (--patient COLUMN)")
    for column, value in (("split", "test"), ("repeat", "0"), ("fold", "0")):
        if column not in mapping:
            renamed[column] = value
    labels, name = _classes(renamed, positive, path)
    renamed["y_true"] = labels
    for column in ("repeat", "fold"):
        renamed[column] = pd.to_numeric(renamed[column], errors="coerce")
        if renamed[column].isna().any():
            raise DataError(
                f"{column} is not a whole number in every row", where=str(path), code="predictions.bad_number"
            )
        renamed[column] = renamed[column].astype(int)
    score = pd.to_numeric(renamed["y_score"], errors="coerce").astype(float)
    renamed["y_score"] = score
    probability = bool(((score >= 0) & (score <= 1)).all())
    predictions = Predictions(renamed, name, 0.5 if threshold is None else threshold, probability)
    if threshold is None:
        notes.append("threshold 0.5 (--threshold NUMBER)")
    if not probability:
        notes.append("scores lie outside 0 to 1: they are treated as no probabilities")
    if not probability and threshold is None:
        notes.append(
            f"the scores go from {score.min():g} to {score.max():g}, and a threshold of 0.5 is for probabilities: "
            f"{int((score >= 0.5).sum())} of {len(score)} rows are classified as {name}; give --threshold"
        )
    return ForeignPredictions(predictions, tuple(notes))


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
    clips = pd.DataFrame({"video": [_stem(row[0]) for row in rows], "prediction": [float(row[2]) for row in rows]})
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
        free = {name.strip().lower(): name for name in columns if name not in used}
        match = next((free[name] for name in names if name in free), None)
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


def _classes(table: pd.DataFrame, positive: str | None, path: Path) -> tuple[list[int], str]:
    """Convert the column of classes to 0 and 1, and name the positive class."""
    texts = [text.strip() for text in table["y_true"]]
    empty = [case for case, text in zip(table["case_id"], texts, strict=True) if not text]
    if empty:
        raise DataError(f"there is no class for {list_cases(empty)}", where=str(path), code="predictions.empty_cell")
    values = sorted(set(texts))
    if positive in values:
        return [int(text == positive) for text in texts], str(positive)
    numbers = [to_number(text) for text in texts]
    if all(number in (0.0, 1.0) for number in numbers):
        return [int(number) for number in numbers], positive or "positive"
    shown = ", ".join(values[:6]) + (", ..." if len(values) > 6 else "")
    raise DataError(
        f"the classes are {shown}: which one is positive?"
        if positive is None
        else f"no class is {positive!r}: {shown}",
        hint="give --positive VALUE",
        where=str(path),
        code="predictions.unknown_positive",
    )


def _rows(path: Path, most: int | None) -> list[list[str]]:
    if not path.is_file():
        raise DataError("no such file", hint="expected a CSV of predictions", where=str(path), code="file.missing")
    rows: list[list[str]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            for row in csv.reader(file, delimiter=delimiter_of(head)):
                if row:
                    rows.append(row)
                if most is not None and len(rows) >= most:
                    break
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"not a readable CSV: {error}", where=str(path), code="table.not_csv") from error
    if not rows:
        raise DataError("the file is empty", where=str(path), code="file.empty")
    return rows


def _is_number(text: str) -> bool:
    return math.isfinite(to_number(text))


def _stem(name: str) -> str:
    return name.strip().removesuffix(".avi")
