"""Reading a video: the content decides the format, never the name."""

from __future__ import annotations

from pathlib import Path

from echokit.data.video.clip import Clip
from echokit.data.video.frame_buffer import most_bytes
from echokit.data.video.nifti import is_nifti
from echokit.errors import VideoError
from echokit.system.files import require_regular


def read_video(path: str | Path, *, frames: int | None = None, max_bytes: int | None = None) -> Clip:
    """Decode a video file, or a folder of frames, to grey frames.

    AVI, MP4, DICOM or NIfTI; a folder holds numbered frames or one DICOM series.

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
    path = Path(path)
    if path.is_dir():
        from echokit.data.video.frame_folder import read_folder

        return read_folder(path, frames=frames, max_bytes=max_bytes)
    kind = video_format(path)
    if kind == "DICOM":
        from echokit.data.video.dicom import read_dicom

        return read_dicom(path, frames=frames, max_bytes=max_bytes)
    if kind == "NIFTI":
        from echokit.data.video.nifti import read_nifti

        return read_nifti(path, frames=frames, max_bytes=max_bytes)
    from echokit.data.video.container import read_container

    return read_container(path, kind, frames=frames, max_bytes=max_bytes)


def named_patient(path: Path) -> str | None:
    """Read the PatientID of the DICOM files that ``read_video`` would read.

    Returns:
        The identifier as written, for the caller to make a pseudonym of, as it must not be shown or stored; None if
        the video names no patient.

    Raises:
        VideoError: The video cannot be read, or is a folder with DICOM files of several patients.
    """
    if path.is_dir():
        from echokit.data.video.frame_folder import folder_patient

        return folder_patient(path)
    if video_format(path) != "DICOM":
        return None
    from echokit.data.video.dicom import dicom_patient_id

    return dicom_patient_id(path)


def video_format(path: Path) -> str:
    """Detect a format by content: AVI, MP4, DICOM, NIFTI, or FRAMES.

    Raises:
        VideoError: The file cannot be read, is not a regular file, or is none of these.
    """
    where = path.name
    if path.is_dir():
        from echokit.data.video.frame_folder import folder_format

        return folder_format(path)
    try:
        require_regular(path)
        with path.open("rb") as file:
            head = file.read(352)
    except FileNotFoundError:
        raise VideoError(
            "there is no such file", hint="check the path and the data root", where=where, code="file.missing"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a valid path"
        raise VideoError(f"the file cannot be opened: {reason}", where=where, code="file.unreadable") from None
    if not head:
        raise VideoError("the file is empty", hint="copy or download it again", where=where, code="file.empty")
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "AVI"
    if head[4:8] == b"ftyp":
        return "MP4"
    if head[128:132] == b"DICM":
        return "DICOM"
    if is_nifti(head):
        return "NIFTI"
    raise VideoError(
        "this is neither an AVI, an MP4, a DICOM nor a NIfTI file",
        hint="the content counts, not the extension; convert it, or copy it again if it should be a video",
        where=where,
        code="video.unknown_format",
    )
