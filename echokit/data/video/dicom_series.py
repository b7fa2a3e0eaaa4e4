"""The DICOM files of one series as one video: a single multi-frame file, or one file a frame."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from echokit.data.video.clip import Clip
from echokit.data.video.dicom import dicom_patient_id, read_dicom
from echokit.data.video.dicom_file import quiet, read_elements
from echokit.data.video.frame_buffer import FrameBuffer
from echokit.errors import VideoError


@dataclass(frozen=True)
class _Member:
    path: Path
    number: int | None
    frames: int
    series: str
    patient: str


def read_series(files: Sequence[Path], *, frames: int | None, max_bytes: int, where: str) -> Clip:
    """Read the DICOM files of one folder.

    Single-frame files are put in the order of InstanceNumber (0020,0013), else of their names. Timing and geometry are
    those of the first.

    Args:
        files: DICOM files in natural order.
        frames: Decode the first ``frames`` frames only; None decodes all.
        max_bytes: Most bytes of grey frames to decode.
        where: Name of the folder, for messages.

    Raises:
        VideoError: The files are of several patients or series, several hold more than one frame, the frames differ
            in size, or none can be decoded.
    """
    if len(files) == 1:
        return read_dicom(files[0], frames=frames, max_bytes=max_bytes)
    members = [_member(path, where) for path in files]
    _check_one("patients", {member.patient for member in members}, where)
    _check_one("series", {member.series for member in members}, where)
    if any(member.frames > 1 for member in members):
        raise VideoError(
            f"the folder holds {len(members)} DICOM files, not all of one frame",
            hint="name the file that is meant, or give each clip a folder of its own",
            where=where,
            code="dicom_series.multiframe",
        )
    numbers = {member.number for member in members if member.number is not None}
    notes, missing = [], 0
    if len(numbers) < len(members):
        notes.append("the files are in the order of their names: not all have an instance number of their own")
    else:
        members.sort(key=lambda member: member.number or 0)
        missing = max(numbers) - min(numbers) + 1 - len(numbers)
    clip = _join(members[:frames], max_bytes, where)
    if missing:
        notes.append(f"instance numbers that are missing: {missing}")
    if clip.fps is None:
        notes.append("the header gives no frame rate")
    return replace(clip, notes=(*notes, *clip.notes), damaged=clip.damaged or missing > 0)


def series_patient(files: Sequence[Path], *, where: str) -> str | None:
    """Read the PatientID (0010,0020) of the DICOM files of one folder.

    It is for a pseudonym only.

    Args:
        files: The DICOM files.
        where: Name of the folder, for messages.

    Returns:
        The identifier as written, or None if no file names one.

    Raises:
        VideoError: The files are of several patients, or one cannot be read.
    """
    patients = {dicom_patient_id(path) or "" for path in files}
    _check_one("patients", patients, where)
    return patients.pop() or None


def _check_one(what: str, values: Collection[str], where: str) -> None:
    if len(values) > 1:
        raise VideoError(
            f"the folder holds DICOM files of {len(values)} {what}",
            hint="a folder is one video",
            where=where,
            code="dicom_series.mixed",
        )


def _member(path: Path, where: str) -> _Member:
    try:
        with quiet():
            header = read_elements(path, ["InstanceNumber", "NumberOfFrames", "SeriesInstanceUID", "PatientID"])
            number = header.get("InstanceNumber", None)
            return _Member(
                path,
                None if number is None else int(number),
                int(header.get("NumberOfFrames", None) or 1),
                str(header.get("SeriesInstanceUID", "")),
                str(header.get("PatientID", "") or "").strip(),
            )
    except Exception:
        # What pydicom raises on damaged input is not a closed set, and its messages quote the values of elements.
        raise VideoError(
            "a DICOM header in this folder is damaged",
            hint="export or copy it again",
            where=where,
            code="dicom.damaged_header",
        ) from None


def _join(members: Sequence[_Member], max_bytes: int, where: str) -> Clip:
    first: Clip | None = None
    grey = FrameBuffer(len(members), max_bytes, where)
    notes: list[str] = []
    failed = 0
    damaged = False
    for member in members:
        try:
            clip = read_dicom(member.path, frames=1, max_bytes=max_bytes)
        except VideoError:
            failed += 1
            continue
        grey.add(clip.frames[0])
        first = first or clip
        notes += clip.notes
        damaged |= clip.damaged
    if first is None:
        raise VideoError(f"none of the {len(members)} frames can be decoded", where=where, code="video.no_frames")
    lost = [f"left out because they are corrupt: {failed} of {len(members)} frames"] if failed else []
    return replace(
        first,
        frames=grey.frames(),
        source=f"{first.source}, one file a frame",
        notes=(*lost, *dict.fromkeys(notes)),
        damaged=bool(lost) or damaged,
    )
