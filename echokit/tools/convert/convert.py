"""From studies to a dataset in the layout of EchoNet-Dynamic."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.data.cohort.pseudonyms import pseudonym, record_sources
from echokit.data.video.find import expand
from echokit.data.video.read import read_header
from echokit.errors import DataError, VideoError
from echokit.system.csv_cells import unguarded, write_rows
from echokit.system.files import named_file, new_folder, write_text
from echokit.system.hashing import content_hash
from echokit.system.phantom_mark import MARKER, STAMP, is_phantom
from echokit.system.progress import display
from echokit.system.worker_pool import WorkerFailure, map_ordered
from echokit.tools.convert.cohort_table import CohortTable, cohort_table
from echokit.tools.convert.labels import SURVIVAL, TARGET, Labels
from echokit.tools.convert.listing import COLUMNS, REPORT, join, listing
from echokit.tools.convert.record import COPY, Conversion

if TYPE_CHECKING:
    import pandas as pd

LISTING, VIDEOS, COHORT = "FileList.csv", "Videos", "cohort.csv"
SIZE = 112
NO_VIDEO = "no video"
_COLOUR_FRAMES = 4


@dataclass(frozen=True, repr=False)
class ConvertedDataset:
    """A dataset that was made from studies.

    Attributes:
        path: Its folder.
        sources: The files, on this machine. They may name patients, so no file of the dataset contains them.
        rows: Result for each file, in their order.
        remarks: What is to be known about patients, labels and splits.
        phantom: Whether a source is synthetic; the dataset then carries the mark.
        next_step: How to train with it, or that it is for predict only.
    """

    path: Path
    sources: tuple[Path, ...]
    rows: tuple[Conversion, ...]
    remarks: tuple[str, ...]
    phantom: bool
    next_step: str

    def count(self, status: str) -> int:
        """How many files have a status."""
        return sum(row.status == status for row in self.rows)

    @property
    def files(self) -> pd.DataFrame:
        """The table of ``conversion.csv``: each file's status, and the reason."""
        return self._table(REPORT)

    @property
    def clips(self) -> pd.DataFrame:
        """The table of ``FileList.csv``, one row a clip."""
        return self._table(LISTING)

    @property
    def cohort(self) -> pd.DataFrame | None:
        """The table of ``cohort.csv``, one row a labelled clip; None without."""
        return self._table(COHORT) if (self.path / COHORT).is_file() else None

    def _table(self, name: str) -> pd.DataFrame:
        import pandas as pd

        table = pd.read_csv(self.path / name, keep_default_na=False, na_values=[""])
        return unguarded(table)

    def __repr__(self) -> str:
        stamp = f"{STAMP}, " if self.phantom else ""
        return (
            f"<{type(self).__name__} {self.path}: {stamp}{self.count('converted')} clips of {len(self.rows)} files, "
            f"{self.count('unreadable')} unreadable; {self.next_step}>"
        )


def convert_studies(
    sources: Sequence[str | Path],
    directory: Path,
    *,
    table: Path | None = None,
    target: str | None = None,
    columns: Sequence[str] = (),
    size: int = SIZE,
    workers: int | None = None,
) -> ConvertedDataset:
    """Convert the B-mode clips of the heart among some files, all or none.

    It gets ``FileList.csv`` and ``Videos/CASE.avi`` as in EchoNet-Dynamic, and ``conversion.csv`` with the result
    and the reason for each file. If the table has labels, ``cohort.csv`` has one row for each labelled clip, for the
    dataset ``table``. Names are pseudonyms; ``sources.csv`` in the cache folder leads back to the files.

    Args:
        sources: DICOM, AVI and MP4 files, and folders of them.
        directory: Must not exist, or be empty.
        table: Labels by file or patient, see ``Labels``. Without splits, patients are divided by ``divide``.
        target: Column of the table that becomes the target of ``cohort.csv``, see ``Labels``.
        columns: Columns of the table to keep although they may identify a patient.
        size: Height and width of the videos in pixels, even.
        workers: Processes; all available cores by default.

    Raises:
        DataError: ``directory`` is not empty, the current one or inside a source, the table cannot be used, a patient
            would be in two splits, or nothing is left to convert.
    """
    labels = Labels(table, target=target, columns=columns) if table is not None else None
    if labels is None and (target is not None or columns):
        raise DataError("a column is named, and no table", hint="add --table FILE", code="convert.no_table")
    directory = _new_directory(directory, sources)
    files = expand([str(source) for source in sources])
    with new_folder(directory) as unfinished:
        (unfinished / VIDEOS).mkdir()
        rows: list[Conversion] = []
        patients: list[str | None] = []
        seen: set[str] = set()
        with display().task("Converting clips", len(files)) as advance:
            converted = _convert_all(files, unfinished / VIDEOS, size, workers)
            for path, (row, patient) in zip(files, converted, strict=True):
                if row.case_id in seen:
                    row = Conversion(row.case_id, row.patient_id, "left out", COPY)
                seen.add(row.case_id)
                rows.append(row)
                patients.append(patient)
                advance(1)
                _show(path, row)
        if not any(row.status == "converted" for row in rows):
            raise DataError(
                f"none of {len(rows)} files is a B-mode clip of the heart that can be converted",
                hint=f"the first one, {rows[0].case_id}: {rows[0].remark}",
                code="convert.no_clip",
            )
        joined = join(rows, files, patients, labels)
        rows = list(joined.rows)
        lines, remarks = listing(joined, size)
        _write_rows(unfinished / LISTING, COLUMNS, lines)
        _write_rows(
            unfinished / REPORT,
            ("case_id", "patient_id", "status", "remark"),
            [(row.case_id, row.patient_id, row.status, row.remark) for row in rows],
        )
        cohort = cohort_table(joined, VIDEOS)
        if cohort is not None:
            _write_rows(unfinished / COHORT, cohort.columns, cohort.rows)
        phantom = is_phantom(*files)
        if phantom:
            mark = {"statement": f"{STAMP}: converted from synthetic clips", "layout": "echonet_dynamic"}
            write_text(unfinished / MARKER, json.dumps(mark, indent=2) + "\n")
    record_sources((row.case_id, row.patient_id, path) for row, path in zip(rows, files, strict=True))
    return ConvertedDataset(
        directory,
        tuple(files),
        tuple(rows),
        (*joined.remarks, *remarks, *(cohort.remarks if cohort else ())),
        phantom,
        _next_step(directory, labels, cohort),
    )


def _new_directory(directory: Path, sources: Sequence[str | Path]) -> Path:
    """Return the absolute path of a dataset that can be made."""
    directory = Path(os.path.abspath(directory.expanduser()))
    inside = next((s for s in sources if directory.resolve().is_relative_to(Path(s).expanduser().resolve())), None)
    if inside is not None:
        raise DataError(
            f"the dataset would be inside {inside}, one of its sources",
            hint="choose a folder outside it: its clips would be read as studies next time",
            where=str(directory),
            code="convert.inside_source",
        )
    if directory == Path.cwd():
        raise DataError(
            "a folder cannot be made where you are",
            hint="name a new one",
            where=str(directory),
            code="convert.bad_folder",
        )
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DataError(
            "the folder exists and is not empty", hint="name a new one", where=str(directory), code="convert.not_empty"
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    return directory


def _show(path: Path, row: Conversion) -> None:
    """Show what is to be known of a file; its path on a terminal only."""
    if row.remark and row.remark != NO_VIDEO:  # those are counted, and listed in the report
        status = "" if row.status == "converted" else f"{row.status}: "
        display().show_message(f"{row.case_id}: {status}{row.remark}")
        display().show_files([(row.case_id, path)])


def _next_step(directory: Path, labels: Labels | None, cohort: CohortTable | None) -> str:
    if labels is None:
        return "for predict only; give --table to train"
    place = directory / COHORT
    if cohort is not None and TARGET in cohort.columns:
        others = ", ".join(name for name in labels.columns if name != TARGET)
        covariates = f", covariates: [{others}]" if others else ""
        return (
            f"to train: data: {{use: table, table: {place}{covariates}}} in your recipe, "
            f"or LVAD_COHORT={place} for the recipes lvad_*"
        )
    if "ef" in labels.columns:
        return f"to train: data: {{use: echonet_dynamic, root: {directory}}} in your recipe"
    if cohort is not None and set(SURVIVAL) <= set(cohort.columns):
        return f"to train: data: {{use: table, table: {place}, horizon: DAYS}} in your recipe"
    return "for predict only: the table has no labels; give it a column to predict"


def _convert_all(
    files: Sequence[Path], videos: Path, size: int, workers: int | None
) -> Iterator[tuple[Conversion, str | None]]:
    work = partial(_convert_one, videos, size)
    if workers == 1:
        yield from map(work, files)
        return
    with closing(map_ordered(work, files, workers=workers)) as results:
        for path, result in zip(files, results, strict=True):
            if isinstance(result, WorkerFailure):
                yield _unreadable(path, result.reason), None
            else:
                yield result


def _unreadable(path: Path, reason: str) -> Conversion:
    """Return the result for a file of unknown content."""
    return Conversion(pseudonym("case", str(path.absolute())), "", "unreadable", reason)


def _convert_one(videos: Path, size: int, path: Path) -> tuple[Conversion, str | None]:
    """Convert one file; return the result and the patient of its header."""
    from echokit.data.video.find import is_no_video

    try:
        case_id = pseudonym("case", content_hash(path))
    except OSError as error:
        return _unreadable(path, f"the file cannot be read: {error.strerror}"), None
    patient, alone = None, pseudonym("patient", f"\0{case_id}")
    if is_no_video(path):
        return Conversion(case_id, alone, "left out", NO_VIDEO), None
    try:
        header = read_header(path)
        patient = header.patient
        alone = pseudonym("patient", patient) if patient else alone
        if header.unfit:
            return Conversion(case_id, alone, "left out", header.unfit), patient
        return _convert_clip(path, case_id, alone, videos, size), patient
    except VideoError as error:
        return Conversion(case_id, alone, "unreadable", error.message), patient


def _convert_clip(path: Path, case_id: str, patient_id: str, videos: Path, size: int) -> Conversion:
    import numpy as np

    from echokit.data.preprocess.sector import NOISY
    from echokit.data.video.read import read_colours, read_video
    from echokit.data.video.write import USUAL_FPS, write_video
    from echokit.tools.convert.picture import cut_to_fan, fan_of_clip, unfit_picture

    clip = read_video(path)
    fan, noisy = fan_of_clip(clip)
    numbers = {round(place) for place in np.linspace(0, len(clip) - 1, _COLOUR_FRAMES)}
    unfit = unfit_picture(clip, fan, read_colours(path, numbers))
    if unfit is not None or fan is None:
        # Of a damaged clip the rest may be unfit, where the whole was not.
        why = "; ".join([unfit or "", *(clip.notes if clip.damaged else ())])
        return Conversion(case_id, patient_id, "left out", why, clip.damaged)
    cut = cut_to_fan(clip, fan, size)
    notes = [*clip.notes, *([NOISY] if noisy else [])]
    if clip.fps is None:
        notes.append(f"written at {USUAL_FPS:g} frames/s")
    if clip.times is not None:
        notes.append("the frames are not evenly spaced in time: written at their mean rate")
    write_video(videos / f"{case_id}.avi", cut.frames, clip.fps or USUAL_FPS)
    return Conversion(case_id, patient_id, "converted", "; ".join(notes), clip.damaged, len(cut), clip.fps)


def _write_rows(place: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with named_file(place), place.open("w", newline="", encoding="utf-8") as file:
        write_rows(file, [columns, *rows])
