"""Reading a video and what its header says of it, whatever its format."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, cast

from echokit.data.video.clip import Clip
from echokit.data.video.frame_buffer import most_bytes
from echokit.data.video.header import ClipHeader
from echokit.data.video.readers import find_reader
from echokit.errors import VideoError

if TYPE_CHECKING:
    from echokit.data.video.grayscale import Colour


def read_video(path: str | Path, *, frames: int | None = None, max_bytes: int | None = None) -> Clip:
    """Decode a video file, or a folder of frames, to grey frames.

    AVI, MP4, DICOM or NIfTI, and every format that a plugin reads; a folder holds numbered frames or one DICOM series.

    The length in a file's header is not trusted: frames are decoded and counted, and every
    difference, every frame that is corrupt or missing, is in ``Clip.notes``.

    Args:
        path: The file or folder. Errors name only its last part, because directories of clinical data name patients.
        frames: Decode the first ``frames`` frames only; None decodes all.
        max_bytes: Most bytes of grey frames to decode; None is 1 GiB, or what ``ECHOKIT_VIDEO_GIB`` states.

    Returns:
        The clip, with at least one frame.

    Raises:
        VideoError: The file is missing, empty, of another format, holds nothing that can be decoded, or decodes to
            more than ``max_bytes``.
        ValueError: ``frames`` is smaller than 1.
    """
    if frames is not None and frames < 1:
        raise ValueError(f"frames must be at least 1, not {frames}")
    if max_bytes is None:
        max_bytes = most_bytes()
    return find_reader(Path(path)).read(frames=frames, max_bytes=max_bytes)


def read_colours(path: Path, numbers: Collection[int]) -> Colour | None:
    """Decode some frames in colour: everything else here is about grey.

    Args:
        path: A file that ``read_video`` reads.
        numbers: Of the frames, from 0; those that cannot be decoded are left out.

    Returns:
        (k, H, W, 3) uint8 RGB, or None if the video is monochrome, its reader gives no colours, or no frame can be
        decoded.

    Raises:
        VideoError: The file cannot be read, or is of another format.
    """
    return cast("Colour | None", find_reader(path).ask("colours", numbers))


def named_patient(path: Path) -> str | None:
    """Read the patient whom a video names, such as the PatientID of DICOM files.

    Returns:
        The identifier as written, for the caller to make a pseudonym of, as it must not be shown or stored; None if
        the video names no patient.

    Raises:
        VideoError: The video cannot be read, or is a folder with files of several patients.
    """
    patient = find_reader(path).ask("patient")
    return None if patient is None else str(patient)


def can_name_patient(path: Path) -> bool:
    """Return whether files of this format can name a patient: so may their names.

    Raises:
        VideoError: The video is of no known format.
    """
    return find_reader(path).offers("patient")


def read_header(path: Path) -> ClipHeader:
    """Read what a header says of its clip.

    Of a format without such a header it has the patient only, if the reader finds one.

    Raises:
        VideoError: The video is of no known format, or its reader does not work.
    """
    match = find_reader(path)
    header = match.ask("header")
    return header if isinstance(header, ClipHeader) else ClipHeader(match.ask("patient"))


def unlike_echo(path: Path) -> str | None:
    """Describe how a header differs from that of a B-mode clip of the heart.

    Returns:
        None if it does not differ, there is none, or it cannot be read.
    """
    try:
        header = find_reader(path).ask("header")
    except VideoError:
        return None  # reading the frames reports what is wrong
    return header.unlike_echo if isinstance(header, ClipHeader) else None
