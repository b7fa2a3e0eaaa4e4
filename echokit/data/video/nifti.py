"""NIfTI: a sequence of grey pictures (x, y, time), as CAMUS has them, made to square pixels."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from io import IOBase
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.data.video.clip import Clip
from echokit.data.video.frame_buffer import MAX_PIXELS, frame_too_large, too_large
from echokit.errors import VideoError
from echokit.system.distribution import install_extra

if TYPE_CHECKING:
    from nibabel import Nifti1Header

HEADER = 352
MAX_OFFSET = 2**20
MAX_TAIL = 2**24  # bytes behind the frames that are read to come to the checksum
_RATIO = 1032  # gzip cannot shrink further than that
SQUARE = 0.01  # pixels count as square if their sides differ by less than this share
GZIP = b"\x1f\x8b"
# Data types (code of the header) that echo pictures have, and their size in bytes.
_TYPES = {2: 1, 4: 2, 8: 4, 16: 4, 64: 8, 256: 1, 512: 2, 768: 4}
_MILLIMETRE, _SECOND, _MILLISECOND = 2, 8, 16  # xyzt_units


def is_nifti(head: bytes) -> bool:
    """Recognize a NIfTI-1 file, compressed or not, by its first 352 bytes."""
    if head.startswith(GZIP):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, HEADER)
        except zlib.error:
            return False
        # So few bytes of a compressed file need not unpack to the magic at their end; the size of the header does.
        return head[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c")
    return head[344:348] in (b"n+1\0", b"ni1\0")


def read_nifti(path: Path, *, frames: int | None, max_bytes: int) -> Clip:
    """Read a NIfTI sequence; pixels that are not square are averaged.

    One frame after the other is read, and nothing is allocated that the file is too short for. Values must lie within
    0..255 and are rounded. NIfTI has no reliable time: the frame rate is known only
    if the header gives a step in seconds or milliseconds.

    Args:
        path: A ``.nii`` or ``.nii.gz`` file of two or three dimensions, x first.
        frames: Keep the first ``frames`` frames only; None keeps all.
        max_bytes: Most bytes of grey frames to decode.

    Raises:
        VideoError: The header is damaged or of another kind, the file is shorter than its header states or larger than
            ``max_bytes``, values lie outside 0..255, or nibabel is missing.
    """
    where = path.name
    sides = _check_header(path, frames, max_bytes, where)
    try:
        import nibabel
    except ImportError:
        raise VideoError(
            "a NIfTI file needs nibabel", hint=install_extra("camus"), where=where, code="nifti.no_nibabel"
        ) from None
    try:
        with path.open("rb") as raw:
            packed = raw.peek(2)[:2] == GZIP
            file: IOBase = gzip.GzipFile(fileobj=raw) if packed else raw
            header = nibabel.Nifti1Header.from_fileobj(file)
            most = os.fstat(raw.fileno()).st_size * (_RATIO if packed else 1)
            zooms = [float(zoom) for zoom in header.get_zooms()]
            space, time = header.get_xyzt_units()
            spacing = _spacing(zooms, space)
            square = _square_size(sides, spacing)
            grey, tail = _frames(file, header, sides, square, frames, most, where)
    except VideoError:
        raise
    except Exception:
        # What nibabel and gzip raise on damaged input is not a closed set.
        raise VideoError(
            "this NIfTI file is damaged or cut short", hint="copy it again", where=where, code="nifti.damaged"
        ) from None
    notes: list[str] = []
    if tail:
        notes.append(f"header declares {sides[2]} frames, file holds more: the rest is not read")
    if square is not None and spacing is not None:
        spacing = (max(spacing), max(spacing))
        notes.append("pixels that were not square are resampled to squares")
    step = zooms[2] * {"sec": 1.0, "msec": 1e-3}.get(time, 0.0) if len(zooms) > 2 else 0.0
    fps = 1 / step if step > 1e-4 else None
    if fps is None and len(grey) > 1:
        notes.append("the header gives no frame rate")
    return Clip(grey, fps=fps, spacing=spacing, source="NIfTI", notes=tuple(notes), damaged=tail)


def _check_header(path: Path, frames: int | None, max_bytes: int, where: str) -> tuple[int, int, int]:
    """Check width, height and number of frames before any pixel is read."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == GZIP
            raw.seek(0)
            head = gzip.GzipFile(fileobj=raw).read(HEADER) if packed else raw.read(HEADER)
        order = "<" if head[:4] == b"\x5c\x01\0\0" else ">"
        dimensions = struct.unpack(f"{order}8h", head[40:56])
        (kind,) = struct.unpack(f"{order}h", head[70:72])
        (offset,) = struct.unpack(f"{order}f", head[108:112])
    except (OSError, EOFError, zlib.error, struct.error):
        raise VideoError(
            "this NIfTI file is damaged or cut short", hint="copy it again", where=where, code="nifti.damaged"
        ) from None
    sides = [max(side, 1) for side in dimensions[1:8]]
    if head[344:348] != b"n+1\0" or not 2 <= dimensions[0] <= 7 or any(side > 1 for side in sides[3:]):
        raise VideoError(
            "this NIfTI file is not a sequence of pictures",
            hint="it must have the dimensions x, y, time",
            where=where,
            code="nifti.no_sequence",
        )
    if kind not in _TYPES or not HEADER <= offset <= MAX_OFFSET:
        raise VideoError(
            "the values of this NIfTI file are of another kind than grey pictures", where=where, code="nifti.pixel_kind"
        )
    if sides[0] * sides[1] > MAX_PIXELS:
        raise frame_too_large(sides[0], sides[1], where)
    if sides[0] * sides[1] * min(sides[2], frames or sides[2]) > max_bytes:
        raise too_large(max_bytes, where)
    return sides[0], sides[1], sides[2]


def _frames(
    file: IOBase,
    header: Nifti1Header,
    sides: tuple[int, int, int],
    square: tuple[int, int] | None,
    limit: int | None,
    most: int,
    where: str,
) -> tuple[npt.NDArray[np.uint8], bool]:
    """Read the frames one by one, and whether more follow.

    All are read, because the checksum follows the last.

    Args:
        file: Unpacked.
        header: Of the file.
        sides: Width, height and number of frames.
        square: Width and height to resample frames to, or None.
        limit: Keep so many frames; None keeps all.
        most: Bytes that the file can have at most.
        where: Name of the file, for messages.

    Raises:
        VideoError: A value lies outside 0..255.
        EOFError: The file is shorter than its header states.
    """
    width, height, count = sides
    kind = header.get_data_dtype()
    slope, shift = header.get_slope_inter()
    scale = (1.0 if slope is None else slope, 0.0 if shift is None else shift)
    start, length = int(header.get_data_offset()), width * height * kind.itemsize
    if start + count * length > most:
        raise EOFError
    file.seek(start)
    kept = count if limit is None else min(count, limit)
    grey = np.empty((kept, *(reversed(square) if square else (height, width))), np.uint8)
    for number in range(count):
        data = file.read(length)
        if len(data) < length:
            raise EOFError
        if number < kept:
            image = _to_grey(np.frombuffer(data, kind).reshape(height, width), scale, where)
            grey[number] = image if square is None else _resized(image, square)
    behind = 0
    while behind < MAX_TAIL and (data := file.read(MAX_OFFSET)):
        behind += len(data)
    return grey, behind >= min(length, MAX_TAIL)


def _to_grey(data: npt.NDArray[np.generic], scale: tuple[float, float], where: str) -> npt.NDArray[np.uint8]:
    if data.dtype == np.uint8 and scale == (1.0, 0.0):
        return np.asarray(data, np.uint8)
    values = np.asarray(data, np.float64) * scale[0] + scale[1]
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 255:
        raise VideoError(
            "the values of this NIfTI file lie outside 0..255",
            hint="export grey pictures",
            where=where,
            code="nifti.value_range",
        )
    return np.rint(values).astype(np.uint8)


def _spacing(zooms: list[float], unit: str) -> tuple[float, float] | None:
    """Return height and width of a pixel in mm, the default unit of NIfTI."""
    scale = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 1e-3}.get(unit)
    across, down = zooms[:2]
    if scale is None or not (np.isfinite(across) and np.isfinite(down) and across > 0 and down > 0):
        return None
    return down * scale, across * scale


def _square_size(sides: tuple[int, int, int], spacing: tuple[float, float] | None) -> tuple[int, int] | None:
    """Compute the width and height that make pixels square.

    Returns:
        None if they are square, or if their size is not known.
    """
    if spacing is None or abs(spacing[0] / spacing[1] - 1) <= SQUARE:
        return None
    down, across = spacing
    return max(1, round(sides[0] * across / max(spacing))), max(1, round(sides[1] * down / max(spacing)))


def _resized(frame: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
