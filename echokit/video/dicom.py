"""DICOM: decoding ultrasound clips to grey frames, one frame at a time, without repeating who the patient is.

Only the elements that a clip needs are read from a file, so that nothing else can reach a message. The decoders are
fixed for each transfer syntax, and all of them are permissively licensed.
"""

from __future__ import annotations

import logging
import os
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from echokit.errors import VideoError
from echokit.video.clip import Clip
from echokit.video.dicom_header import frame_timing, picture_geometry
from echokit.video.dicom_pixels import FrameDecoder, Pixels, check_pixels
from echokit.video.fragments import Fragment, find_frames

_JPEG = "1.2.840.10008.1.2.4."
# Transfer syntax -> pydicom's name of the decoder; empty for uncompressed.
_DECODERS = {
    "1.2.840.10008.1.2": "",
    "1.2.840.10008.1.2.1": "",
    "1.2.840.10008.1.2.5": "pylibjpeg",
    _JPEG + "50": "pillow",
    _JPEG + "51": "pillow",
    _JPEG + "57": "gdcm",
    _JPEG + "70": "gdcm",
    _JPEG + "80": "gdcm",
    _JPEG + "81": "gdcm",
    _JPEG + "90": "pylibjpeg",
    _JPEG + "91": "pylibjpeg",
    _JPEG + "201": "pylibjpeg",
    _JPEG + "202": "pylibjpeg",
    _JPEG + "203": "pylibjpeg",
}
_SUPPORTED = "uncompressed little endian, RLE, JPEG baseline and lossless, JPEG-LS and JPEG 2000"

# Everything that is read; all else in the header, names and dates above all, is skipped.
_ELEMENTS = [
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
    "FrameTime", "FrameTimeVector", "RecommendedDisplayFrameRate", "CineRate", "SequenceOfUltrasoundRegions",
    "PixelSpacing",
]  # fmt: skip
_FAR_MORE = 10  # times as many frames declared as held: no transfer broke off there, the header is wrong


def read_dicom(path: Path, *, frames: int | None, max_bytes: int) -> Clip:
    """Decode the frames of a DICOM file to grey.

    Luma is taken as stored where the pixels are YBR, weighted by ITU-R BT.601 where they are RGB or palette colours,
    and scaled by the bits stored where they are monochrome; window and rescale values are not applied.

    Args:
        path: The file.
        frames: Decode the first ``frames`` frames only; None decodes all.
        max_bytes: Most bytes of grey frames to decode.

    Raises:
        VideoError: The header is damaged, there are no pixels, the transfer syntax or colour space is not supported,
            the header declares more than ten times the frames that the file holds or more than ``max_bytes``, or no
            frame can be decoded.
    """
    where = path.name
    try:
        with quiet(), path.open("rb") as file:
            return _read(path, file, frames, max_bytes)
    except VideoError:
        raise
    except MemoryError:
        raise VideoError("there is not enough memory to decode this file", where=where) from None
    except Exception:
        # What pydicom raises on damaged input is not a closed set, and its messages quote the values of elements.
        raise VideoError(
            "the DICOM header of this file is damaged", hint="export or copy it again", where=where
        ) from None


def dicom_patient_id(path: str | Path) -> str | None:
    """Read PatientID (0010,0020), for the caller to make a pseudonym of; it must not be shown or stored.

    Args:
        path: A DICOM file.

    Returns:
        The identifier as written, or None where it is absent or empty.

    Raises:
        VideoError: The file can not be read as DICOM.
    """
    from pydicom import dcmread

    path = Path(path)
    try:
        with quiet():
            value = dcmread(path, stop_before_pixels=True, specific_tags=["PatientID"]).get("PatientID")
    except Exception:
        raise VideoError("this file can not be read as DICOM", where=path.name) from None
    return str(value).strip() or None if value is not None else None


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom and GDCM, whose warnings quote header values; what matters becomes a note."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _read(path: Path, file: BinaryIO, limit: int | None, max_bytes: int) -> Clip:
    from pydicom import dcmread
    from pydicom.filereader import read_file_meta_info
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    where = path.name
    syntax = UID(str(read_file_meta_info(path).get("TransferSyntaxUID", "")))
    # Before anything else is read: a deflated file could unpack to any size.
    if syntax not in _DECODERS:
        raise VideoError(
            f"the transfer syntax {_syntax_name(syntax)} is not supported",
            hint=f"export as one of: {_SUPPORTED}",
            where=where,
        )
    header = dcmread(file, stop_before_pixels=True, specific_tags=list(_ELEMENTS))
    pixels = check_pixels(header, max_bytes, where)
    size = os.fstat(file.fileno()).st_size
    pixels, places = _find_pixels(file, syntax, pixels, size, where)
    if not places:
        raise VideoError(
            f"the header declares {pixels.declared} frames, but the file does not hold one",
            hint="export or copy it again",
            where=where,
        )
    if pixels.declared > _FAR_MORE * len(places):
        raise VideoError(
            f"the header declares {pixels.declared} frames, but the file holds {len(places)}",
            hint="export or copy it again",
            where=where,
        )
    wanted = places[: pixels.declared][:limit]
    if len(wanted) * pixels.rows * pixels.columns > max_bytes:
        raise VideoError(
            f"the video decodes to more than {max_bytes / 2**30:.3g} GiB",
            hint="put trim first in the recipe to decode the first frames only",
            where=where,
        )
    decode = FrameDecoder(get_decoder(syntax), _DECODERS[syntax], header, pixels)
    grey, kept = [], []
    for number, place in enumerate(wanted):
        image = decode(_load(file, place))
        if image is not None:
            grey.append(image)
            kept.append(number)
    if not grey:
        raise VideoError(
            f"none of the {len(wanted)} frames can be decoded", hint="export or copy it again", where=where
        )
    notes = []
    if len(kept) < len(wanted):
        notes.append(f"left out because they are corrupt: {len(wanted) - len(kept)} of {len(wanted)} frames")
    if len(places) > pixels.declared:
        notes.append(f"header declares {pixels.declared} frames, file holds {len(places)}: the rest is not read")
    if len(places) < pixels.declared and len(places) < (limit or pixels.declared):
        notes.append(f"header declares {pixels.declared} frames, {len(grey)} decoded")
    damaged = bool(notes)
    if pixels.photometric.startswith("MONOCHROME") and (pixels.bits_stored != 8 or pixels.signed):
        notes.append(f"{pixels.bits_stored}-bit pixels are scaled to 8 bits")
    fps, times, timing_notes = frame_timing(header, pixels.declared, kept)
    spacing, regions, geometry_notes = picture_geometry(header, pixels.rows, pixels.columns)
    return Clip(
        np.stack(grey),
        fps=fps,
        times=times,
        spacing=spacing,
        regions=regions,
        source=f"DICOM {_syntax_name(syntax)}",
        notes=(*notes, *timing_notes, *geometry_notes),
        damaged=damaged,
    )


def _syntax_name(syntax: Any) -> str:
    text = str.__str__(syntax)
    if not re.fullmatch(r"[0-9.]{1,64}", text):
        return "(missing or damaged)"
    return text if syntax.name == text else f"{text} {syntax.name}"


def _find_pixels(
    file: BinaryIO, syntax: Any, pixels: Pixels, size: int, where: str
) -> tuple[Pixels, list[list[Fragment]]]:
    """Return the places of the frames that the file holds; ``file`` is at the element of the pixel data."""
    element = file.read(8)
    if len(element) < 8 or element[:4] != b"\xe0\x7f\x10\x00":
        raise VideoError("this DICOM file holds no pixels", hint="leave it out, or export it again", where=where)
    if not syntax.is_implicit_VR:
        element = file.read(4)
    if syntax.is_encapsulated:
        return pixels, find_frames(file, pixels.declared, size)
    start = file.tell()
    (declared,) = struct.unpack("<L", element[-4:])
    if pixels.photometric == "YBR_FULL_422" and declared >= pixels.declared * pixels.rows * pixels.columns * 3:
        # Files exist that say so and hold all three samples of every pixel.
        pixels = replace(pixels, photometric="YBR_FULL")
    length = pixels.frame_bytes
    held = min(size - start, declared) // length
    return pixels, [[(start + number * length, length)] for number in range(held)]


def _load(file: BinaryIO, place: list[Fragment]) -> bytes:
    parts = []
    for start, length in place:
        file.seek(start)
        parts.append(file.read(length))
    return b"".join(parts)
