"""The doctor: from a directory to findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.errors import DataError, EchokitError
from echokit.tools.dataset_check.finding import Finding
from echokit.tools.dataset_check.survey import Survey

if TYPE_CHECKING:
    from echokit.data.cohort.hospital_table import Table


@dataclass(frozen=True)
class Checkup:
    """What was found in a dataset.

    Attributes:
        layout: Name of the layout.
        phantom: Whether it is synthetic.
        cases, frames: How many videos are listed, and frames were decoded.
        findings: One a check, found or not.
    """

    layout: str
    phantom: bool
    cases: int
    frames: int
    findings: tuple[Finding, ...]

    @property
    def corrupting(self) -> bool:
        """Whether something was found that would corrupt training or testing."""
        return any(one.count and one.level == "error" for one in self.findings)

    def exclusions(self) -> dict[str, str]:
        """Cases to exclude, and the checks that require it."""
        why: dict[str, list[str]] = {}
        for one in self.findings:
            for case in one.exclude:
                why.setdefault(case, []).append(one.check)
        return {case: ", ".join(checks) for case, checks in why.items()}


def survey(place: Path, parameters: Mapping[str, Any] | None = None) -> Survey:
    """Tell the layout of a dataset, and read its tables.

    Args:
        place: A directory, or a CSV or Parquet table.
        parameters: Of the dataset ``table``, as a recipe's ``data`` has them; other layouts take none.

    Raises:
        DataError: There is nothing, or no layout that is known; or its tables cannot be read at all.
    """
    if not place.exists():
        raise DataError("there is no such directory", where=str(place), code="file.missing")
    if parameters and not (place.is_file() or _table_in(place)):
        raise EchokitError("only a table takes parameters", where="--set", code="parameter.unknown")
    if place.is_dir():
        if (place / "FileList.csv").is_file():
            from echokit.tools.dataset_check.echonet import survey_dynamic

            return survey_dynamic(place)
        if any((place / view / "FileList.csv").is_file() for view in ("A4C", "PSAX")):
            from echokit.tools.dataset_check.echonet import survey_pediatric

            return survey_pediatric(place)
        if (place / "database_nifti").is_dir() or any(place.glob("patient[0-9]*")):
            from echokit.tools.dataset_check.camus import survey_camus

            return survey_camus(place)
    table = place if place.is_file() else _table_in(place)
    if table is None:
        raise DataError(
            "the layout of this directory is not known",
            hint="expected FileList.csv, A4C/FileList.csv, patient0001/, or one table with a column source",
            where=str(place),
            code="dataset.other_layout",
        )
    from echokit.tools.dataset_check.table import survey_table

    return survey_table(_dataset(table, parameters or {}))


def _dataset(table: Path, given: Mapping[str, Any]) -> Table:
    from echokit.data.cohort.hospital_table import Table
    from echokit.plugins.parameters import InvalidParameters, parameters, validate

    try:
        values = validate(parameters(Table), {**given, "table": str(table)})
    except InvalidParameters as invalid:
        problems = "; ".join(f"{'.'.join(map(str, p.place))}: {p.message}" for p in invalid.problems)
        raise EchokitError(
            problems, hint=invalid.problems[0].hint, where="--set", code=invalid.problems[0].code
        ) from None
    return Table(**{name: getattr(values, name) for name in type(values).model_fields})


def _table_in(folder: Path) -> Path | None:
    """The one table of a folder that has a column source."""
    from echokit.data.cohort.table_rows import read_rows

    found = []
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() in (".csv", ".parquet", ".tsv", ".xlsx") and path.is_file():
            try:
                if "source" in read_rows(path).columns and path.name != "PhantomTruth.csv":
                    found.append(path)
            except DataError:
                continue
    if len(found) > 1:
        raise DataError(
            f"{len(found)} tables have a column source: {', '.join(path.name for path in found)}",
            hint="name the one that is meant",
            where=str(folder),
            code="dataset.several_tables",
        )
    return found[0] if found else None


def check_dataset(place: Path, parameters: Mapping[str, Any] | None = None, *, workers: int | None = None) -> Checkup:
    """Examine a dataset: its tables, then every video, decoded once.

    Args:
        place: A directory, or a CSV or Parquet table.
        parameters: Of the dataset ``table``.
        workers: Processes; None for one an available core.

    Raises:
        DataError: There is no dataset, or its tables cannot be read at all.
    """
    from echokit.data.clips.appearance import VideoDescription
    from echokit.system.progress import display
    from echokit.tools.dataset_check.table_checks import check_tables
    from echokit.tools.dataset_check.video_checks import check_pictures
    from echokit.tools.dataset_check.videos import describe_videos

    dataset = survey(place, parameters)
    seen: list[VideoDescription] = []
    with display().task("Checking videos", len(dataset.listed)) as advance:
        for what in describe_videos([one.source for one in dataset.listed], workers=workers):
            seen.append(what)
            advance(1)
    findings = (*dataset.findings, *check_tables(dataset), *check_pictures(dataset, seen))
    return Checkup(
        dataset.layout, dataset.phantom, len(dataset.listed), sum(what.frames for what in seen), tuple(findings)
    )
