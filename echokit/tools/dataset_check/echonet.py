"""Surveys of the two EchoNet layouts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from echokit.data.cohort import echonet_dynamic, echonet_pediatric
from echokit.data.cohort.cohort import SPLITS, split_named
from echokit.data.cohort.file_list import numbers_of, read_file_list, stem
from echokit.data.cohort.text_table import read_text_table
from echokit.errors import DataError
from echokit.system.phantom_mark import is_phantom
from echokit.tools.dataset_check.finding import Finding, finding
from echokit.tools.dataset_check.survey import Listed, Survey

if TYPE_CHECKING:
    import pandas as pd

Affected = list[tuple[str, str]]
FIX_TABLE = "fix the table; exclusions cannot"


def survey_dynamic(root: Path) -> Survey:
    """Survey a directory in the layout of EchoNet-Dynamic.

    Raises:
        DataError: FileList.csv is not a readable table, or lacks a column.
    """
    reading = _Reading(root, echonet_dynamic.REQUIRED, echonet_dynamic.COVARIATES)
    listed = tuple(reading.listed(echonet_dynamic.patient_of, split_named))
    tracings, findings = reading.tracings(listed, {"X1": "X2", "Y1": "Y2"})
    return Survey(
        "EchoNet-Dynamic",
        is_phantom(root, root / "Videos" / "video.avi"),
        listed,
        (*reading.findings(listed), *findings),
        tracings,
        splits=SPLITS,
    )


def survey_pediatric(root: Path) -> Survey:
    """Survey a directory in the layout of EchoNet-Pediatric, both of its views.

    Raises:
        DataError: A FileList.csv is not a readable table, or lacks a column.
    """
    import pandas as pd

    listed: list[Listed] = []
    found: dict[str, Finding] = {}
    tables = []
    for view in ("A4C", "PSAX"):
        if not (root / view / "FileList.csv").is_file():
            continue
        reading = _Reading(root / view, echonet_pediatric.REQUIRED, echonet_pediatric.NUMBERS)
        here = reading.listed(lambda name, _: name.rsplit("-", 2)[0], lambda split: split.removesuffix(".0"))
        loose = [(one.case_id, view) for one in here if len(one.case_id.split("-")) < 3]
        table, findings = reading.tracings(tuple(here), {"X": None, "Y": None})
        own = finding(
            "unnamed_patient",
            "error",
            "file names that are not of the form patient-accession-instance: the patient is not known",
            loose,
            hint=FIX_TABLE,
        )
        for one in (*reading.findings(tuple(here)), *findings, own):
            found[one.check] = _joined(found.get(one.check), one)
        if table is not None:
            tables.append(table)
        listed += here
    return Survey(
        "EchoNet-Pediatric",
        is_phantom(root),
        tuple(listed),
        tuple(found.values()),
        pd.concat(tables, ignore_index=True) if tables else None,
        splits=tuple(str(fold) for fold in range(echonet_pediatric.FOLDS)),
    )


def _joined(one: Finding | None, other: Finding) -> Finding:
    """Two answers of the same check as one."""
    from dataclasses import replace

    if one is None or not one.count:
        return other
    return replace(
        one,
        count=one.count + other.count,
        examples=(*one.examples, *other.examples)[:3],
        exclude=(*one.exclude, *other.exclude),
    )


class _Reading:
    """One FileList.csv with its Videos and VolumeTracings.csv."""

    def __init__(self, folder: Path, needed: tuple[str, ...], columns: Mapping[str, str]) -> None:
        self.folder = folder
        self.table = read_file_list(folder / "FileList.csv", needed)
        self.numbers = numbers_of(self.table, columns)
        self.columns = columns
        self.bad_names: Affected = []
        self.twice: Affected = []
        self.no_numbers: Affected = []

    def listed(
        self, patient_of: Callable[[str, Mapping[Hashable, str]], str], split_of: Callable[[str], str]
    ) -> list[Listed]:
        """Return each video once, and keep what cannot be taken.

        Args:
            patient_of: From a video's name and the cells of its row.
            split_of: From the cell of the split.
        """
        videos: list[Listed] = []
        first: dict[str, int] = {}
        rows = self.numbers.to_dict("records")
        cells = self.table.to_dict("records")
        for line, (cell, numbers) in enumerate(zip(cells, rows, strict=True), start=2):
            name = stem(cell["FileName"])
            if not name or name != Path(name).name or name == ".." or "\0" in name:
                self.bad_names.append((f"line {line}", ""))
                continue
            if name in first:
                self.twice.append((name, f"lines {first[name]} and {line}"))
                continue
            first[name] = line
            values = {str(key): float(value) for key, value in numbers.items()}
            for column, key in self.columns.items():
                text = str(cell.get(column, "")).strip()
                if text and values[key] != values[key]:
                    self.no_numbers.append((name, f"{column} is not a number"))
            ef = values.get("ef", float("nan"))
            source = self.folder / "Videos" / f"{name}.avi"
            split = split_of(str(cell["Split"]).strip())
            videos.append(
                Listed(name, patient_of(name, cell), split, source, values, ef, "EF is empty or not a number")
            )
        return videos

    def findings(self, listed: tuple[Listed, ...]) -> list[Finding]:
        """What the file list and the folder of videos show."""
        names = {one.case_id for one in listed}
        folder = self.folder / "Videos"
        there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        extra = [name for name in there if stem(name) not in names or not name.lower().endswith(".avi")]
        return [
            finding("bad_name", "error", "rows whose file name is not a plain name", self.bad_names, hint=FIX_TABLE),
            finding("duplicate_row", "error", "videos that are listed twice", self.twice, hint=FIX_TABLE),
            finding("malformed_number", "warning", "cells that should hold a number and do not", self.no_numbers),
            finding("extra_video", "warning", "files in Videos that the table does not list", [(n, "") for n in extra]),
        ]

    def tracings(
        self, listed: tuple[Listed, ...], ends: Mapping[str, str | None]
    ) -> tuple[pd.DataFrame | None, list[Finding]]:
        """Read VolumeTracings.csv as rows, and list the videos without one.

        Columns: case_id, frame, x, y, ends.

        Args:
            listed: The videos.
            ends: Column of the first end of a line -> that of the other end, or None if a row is a point.
        """
        import pandas as pd

        place = self.folder / "VolumeTracings.csv"
        wanted = ["FileName", "Frame", *ends, *(other for other in ends.values() if other)]
        says = "VolumeTracings.csv that is not a table with the columns " + ", ".join(wanted)
        if not place.is_file():
            return None, [Finding("tracing_table", "note", "VolumeTracings.csv that is missing", 1)]
        try:
            table = read_text_table(place, errors="replace")
        except DataError as error:
            problem = f"{Path(error.where or place).name}: {error.message}"
            return None, [Finding("tracing_table", "warning", says, 1, (problem,))]
        missing = [column for column in wanted if column not in table.columns]
        if missing:
            return None, [Finding("tracing_table", "warning", says, 1, (f"lacks {', '.join(missing)}",))]
        case = table["FileName"].map(stem)
        x, y = ends
        parts = []
        for first, second in ((x, y), (ends[x], ends[y])):
            if first and second:
                at = {
                    "x": pd.to_numeric(table[first], errors="coerce"),
                    "y": pd.to_numeric(table[second], errors="coerce"),
                }
                parts.append(pd.DataFrame({"case_id": case, "frame": table["Frame"].str.strip(), **at}))
        points = pd.concat(parts, ignore_index=True)
        points["ends"] = len(parts)
        names = [one.case_id for one in listed]
        traced = set(points["case_id"].unique())
        strangers = sorted(traced - set(names))
        return points, [
            finding("untraced", "note", "videos without a tracing", [(n, "") for n in names if n not in traced]),
            finding("extra_tracing", "note", "tracings of videos that are not listed", [(n, "") for n in strangers]),
        ]
