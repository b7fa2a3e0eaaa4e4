"""From studies to a dataset in the layout of EchoNet-Dynamic."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from echokit.data.cohort.pseudonyms import pseudonym, record_sources
from echokit.data.video.dicom_content import read_header
from echokit.errors import DataError, VideoError
from echokit.system.csv_cells import write_rows
from echokit.system.files import named_file, new_folder, write_text
from echokit.system.hashing import content_hash
from echokit.system.phantom_mark import MARKER, STAMP, is_phantom
from echokit.system.worker_pool import WorkerFailure, map_ordered
from echokit.tools.convert.labels import Labels
from echokit.tools.convert.listing import COLUMNS, join, listing
from echokit.tools.convert.record import Conversion

LISTING, VIDEOS, REPORT = "FileList.csv", "Videos", "conversion.csv"
SIZE = 112
NO_VIDEO = "no video"
_COLOUR_FRAMES = 4


@dataclass(frozen=True)
class Dataset:
    """A conversion as a whole.

    Attributes:
        rows: Result for each file, in their order.
        remarks: What is to be known about labels and splits.
        phantom: Whether a source is synthetic; the dataset then carries the mark.
    """

    rows: tuple[Conversion, ...]
    remarks: tuple[str, ...]
    phantom: bool

    def count(self, status: str) -> int:
        """How many files have a status."""
        return sum(row.status == status for row in self.rows)


def convert_studies(
    files: Sequence[Path],
    directory: Path,
    *,
    table: Path | None = None,
    size: int = SIZE,
    workers: int | None = None,
    done: Callable[[Conversion], None] | None = None,
) -> Dataset:
    """Convert the B-mode clips of the heart among some files, all or none.

    It gets ``FileList.csv`` and ``Videos/CASE.avi`` as in EchoNet-Dynamic, and ``conversion.csv`` with the result
    and the reason for each file. Names are pseudonyms; ``sources.csv`` in the cache folder leads back to the files.

    Args:
        files: DICOM, AVI and MP4 files, and whatever lies beside them.
        directory: Must not exist, or be empty.
        table: Labels by file or patient, see ``Labels``. Without splits, patients are divided by ``divide``.
        size: Height and width of the videos in pixels, even.
        workers: Processes; all available cores by default.
        done: Called with each file's row, in order.

    Raises:
        DataError: ``directory`` is not empty or the current one, the table cannot be used, a patient would be in two
            splits, or nothing is left to convert.
    """
    labels = Labels(table) if table is not None else None
    directory = Path(os.path.abspath(directory))
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
    with new_folder(directory) as unfinished:
        (unfinished / VIDEOS).mkdir()
        rows: list[Conversion] = []
        patients: list[str | None] = []
        seen: set[str] = set()
        for row, patient in _convert_all(files, unfinished / VIDEOS, size, workers):
            if row.case_id in seen:
                row = Conversion(row.case_id, row.patient_id, "left out", "a copy of a file that came before")
            seen.add(row.case_id)
            rows.append(row)
            patients.append(patient)
            if done is not None:
                done(row)
        if not any(row.status == "converted" for row in rows):
            raise DataError(
                f"none of {len(rows)} files is a B-mode clip of the heart that can be converted",
                hint=f"the first one: {rows[0].remark}" if rows else None,
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
        phantom = is_phantom(*files)
        if phantom:
            mark = {"statement": f"{STAMP}: converted from synthetic clips", "layout": "echonet_dynamic"}
            write_text(unfinished / MARKER, json.dumps(mark, indent=2) + "\n")
    record_sources((row.case_id, row.patient_id, path) for row, path in zip(rows, files, strict=True))
    return Dataset(tuple(rows), (*joined.remarks, *remarks), phantom)


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
    from echokit.data.video.read import video_format

    try:
        case_id = pseudonym("case", content_hash(path))
    except OSError as error:
        return _unreadable(path, f"the file cannot be read: {error.strerror}"), None
    patient, alone = None, pseudonym("patient", f"\0{case_id}")
    if is_no_video(path):
        return Conversion(case_id, alone, "left out", NO_VIDEO), None
    try:
        kind = video_format(path)
    except VideoError as error:
        return Conversion(case_id, alone, "unreadable", error.message), None
    try:
        if kind == "DICOM":
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
    from echokit.data.video.colour_sample import read_colours
    from echokit.data.video.read import read_video
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
