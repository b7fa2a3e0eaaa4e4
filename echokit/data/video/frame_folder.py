"""A folder as a video: numbered JPG or PNG frames, or the DICOM files of one series."""

from __future__ import annotations

import stat
from collections.abc import Collection
from pathlib import Path

from echokit.data.video.clip import Clip
from echokit.data.video.grayscale import Colour
from echokit.errors import VideoError
from echokit.system.files import files_in_order

KINDS = {b"\xff\xd8\xff": "FRAMES", b"\x89PNG\r\n\x1a\n": "FRAMES"}


def folder_format(folder: Path) -> str:
    """Return ``FRAMES`` or ``DICOM``, by the content of the files inside.

    Raises:
        VideoError: The folder holds neither, or both.
    """
    return _sort(folder)[0]


def folder_frames(folder: Path) -> list[Path]:
    """List the frames of a folder in order; empty if it is no folder of frames."""
    try:
        kind, files, _ = _sort(folder)
    except VideoError:
        return []
    return files if kind == "FRAMES" else []


def read_folder(folder: Path, *, frames: int | None, max_bytes: int) -> Clip:
    """Read a folder of numbered JPG or PNG frames, or the DICOM files of one series.

    Files that are neither are not read, and a note counts them.

    Args:
        folder: The folder; only files directly inside it count.
        frames: Decode the first ``frames`` frames only; None decodes all.
        max_bytes: Most bytes of grey frames to decode.

    Raises:
        VideoError: The folder holds no video, more than one, or nothing that can be decoded.
    """
    from dataclasses import replace

    kind, files, others = _sort(folder)
    if kind == "DICOM":
        from echokit.data.video.dicom_series import read_series

        clip = read_series(files, frames=frames, max_bytes=max_bytes, where=folder.name)
    else:
        from echokit.data.video.image_sequence import read_frames

        clip = read_frames(files, frames=frames, max_bytes=max_bytes, where=folder.name)
    return replace(clip, notes=(*clip.notes, f"files of another kind in the folder: {others}")) if others else clip


def folder_patient(folder: Path) -> str | None:
    """Read the patient named by the files that ``read_folder`` reads.

    Returns:
        PatientID as written, for the caller to make a pseudonym of; None if no file names one.

    Raises:
        VideoError: The folder holds no video, or its DICOM files name several patients or cannot be read.
    """
    kind, files, _ = _sort(folder)
    if kind != "DICOM":
        return None
    from echokit.data.video.dicom_series import series_patient

    return series_patient(files, where=folder.name)


def first_dicom(folder: Path) -> Path | None:
    """Return the first DICOM file of a folder that is one series, else None."""
    try:
        kind, files, _ = _sort(folder)
    except VideoError:
        return None
    return files[0] if kind == "DICOM" else None


def folder_colours(folder: Path, numbers: Collection[int]) -> Colour | None:
    """Decode some frames of a folder in colour.

    Args:
        folder: A folder that ``read_folder`` reads.
        numbers: Of the frames; those that cannot be decoded are left out.

    Returns:
        (k, H, W, 3) uint8 RGB, or None if the pictures are monochrome or no frame can be decoded.

    Raises:
        VideoError: The folder holds no video.
    """
    import numpy as np

    from echokit.data.video.dicom import dicom_colours
    from echokit.data.video.image_sequence import frame_colours

    kind, files, _ = _sort(folder)
    wanted = [files[number] for number in sorted(numbers) if number < len(files)]
    found = [dicom_colours(path, [0]) if kind == "DICOM" else frame_colours(path) for path in wanted]
    there = [image for image in found if image is not None]
    return np.concatenate(there) if there else None


def _sort(folder: Path) -> tuple[str, list[Path], int]:
    """Return the kind of a folder, its files in order, and the number of others."""
    found: dict[str, list[Path]] = {"FRAMES": [], "DICOM": []}
    others = 0
    try:
        for path in files_in_order(folder):
            kind = _kind(path)
            if kind is None or path.name == "DICOMDIR":
                others += 1
            else:
                found[kind].append(path)
    except OSError as error:
        raise VideoError(
            f"the folder cannot be read: {error.strerror}", where=folder.name, code="file.unreadable"
        ) from None
    kinds = [kind for kind, files in found.items() if files]
    if len(kinds) != 1:
        raise VideoError(
            "the folder holds frames and DICOM files at once" if kinds else "the folder holds no video",
            hint="a folder is a video if it holds numbered JPG or PNG frames, or the DICOM files of one series",
            where=folder.name,
            code="folder.not_one_video",
        )
    return kinds[0], found[kinds[0]], others


def _kind(path: Path) -> str | None:
    if not stat.S_ISREG(path.stat().st_mode):
        return None
    with path.open("rb") as file:
        head = file.read(132)
    if head[128:132] == b"DICM":
        return "DICOM"
    return next((kind for magic, kind in KINDS.items() if head.startswith(magic)), None)
