"""DICOM: decoding ultrasound clips to grey frames, without patient identity.

Only the elements that a clip needs are read from a file, so that nothing else can reach a message. The decoders are
fixed for each transfer syntax, and all of them are permissively licensed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.data.video.clip import Clip
from echokit.data.video.dicom_file import OpenDicom, open_dicom, quiet, read_elements, transfer_syntax
from echokit.data.video.dicom_frames import find_stored_frames
from echokit.data.video.dicom_header import frame_timing, picture_geometry
from echokit.data.video.dicom_pixels import FrameDecoder, check_pixels
from echokit.data.video.frame_buffer import MAX_PIXELS, FrameBuffer, too_large
from echokit.errors import VideoError

Colours = npt.NDArray[np.uint8]

MAX_FRAMES = 2**16
"""Most frames of a clip, eleven minutes at 100 a second: tiny ones cost time, however few bytes they decode to."""
_JPEG = "1.2.840.10008.1.2.4."
# Transfer syntax -> pydicom's name of the decoder, or libav; empty for uncompressed.
_DECODERS = {
    "1.2.840.10008.1.2": "",
    "1.2.840.10008.1.2.1": "",
    "1.2.840.10008.1.2.1.99": "",
    "1.2.840.10008.1.2.2": "",
    "1.2.840.10008.1.2.5": "pylibjpeg",
    _JPEG + "50": "libav",
    _JPEG + "51": "libav",
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
_EXTENDED = _JPEG + "51"
_SUPPORTED = "uncompressed, deflated, RLE, JPEG baseline and lossless, JPEG-LS and JPEG 2000"

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

    Luma is taken as stored if the pixels are YBR, weighted by ITU-R BT.601 if they are RGB or palette colours,
    and scaled by the bits stored if they are monochrome; window and rescale values are not applied.

    Args:
        path: The file.
        frames: Decode the first ``frames`` frames only; None decodes all.
        max_bytes: Most bytes of grey frames to decode.

    Raises:
        VideoError: The header is damaged, there are no pixels, the transfer syntax or colour space is not supported,
            the header declares more than ten times the frames that the file holds, more than ``MAX_FRAMES`` or more
            than ``max_bytes``, or no frame can be decoded.
    """
    where = path.name
    try:
        with quiet():
            _check_syntax(transfer_syntax(path), where)
        with open_dicom(path, _ELEMENTS) as opened:
            return _read(opened, frames, max_bytes, where)
    except VideoError:
        raise
    except MemoryError:
        raise VideoError("there is not enough memory to decode this file", where=where, code="video.memory") from None
    except Exception:
        # What pydicom raises on damaged input is not a closed set, and its messages quote the values of elements.
        raise VideoError(
            "the DICOM header of this file is damaged",
            hint="export or copy it again",
            where=where,
            code="dicom.damaged_header",
        ) from None


def dicom_colours(path: Path, numbers: Collection[int]) -> Colours | None:
    """Decode some frames of a DICOM file in colour.

    Args:
        path: A file that ``read_dicom`` reads.
        numbers: Of the frames; those that cannot be decoded are left out.

    Returns:
        (k, H, W, 3) uint8 RGB, or None if the pixels are monochrome or no frame can be decoded.
    """
    try:
        with open_dicom(path, _ELEMENTS) as opened:
            pixels = check_pixels(opened.header, MAX_PIXELS, path.name)
            stored = find_stored_frames(opened, pixels, path.name)
            decode = FrameDecoder(opened.syntax, _DECODERS[opened.syntax], opened.header, stored.pixels)
            wanted = [number for number in sorted(numbers) if number < stored.count]
            loaded = [data for number in wanted if (data := stored.load(number)) is not None]
            decoded = [image for data in loaded if (image := decode.colour(data)) is not None]
    except Exception:
        # A file that can be read in grey can be read in colour; any other has been refused by name.
        return None
    return np.stack(decoded) if decoded else None


def dicom_patient_id(path: str | Path) -> str | None:
    """Read PatientID (0010,0020) to make a pseudonym; never show or store it.

    Args:
        path: A DICOM file.

    Returns:
        The identifier as written, or None if it is absent or empty.

    Raises:
        VideoError: The file cannot be read as DICOM.
    """
    path = Path(path)
    try:
        with quiet():
            value = read_elements(path, ["PatientID"]).get("PatientID")
    except Exception:
        raise VideoError("this file cannot be read as DICOM", where=path.name, code="dicom.unreadable") from None
    return str(value).strip() or None if value is not None else None


def _check_syntax(syntax: Any, where: str) -> None:
    if syntax not in _DECODERS:
        raise VideoError(
            f"the transfer syntax {_syntax_name(syntax)} is not supported",
            hint=f"export as one of: {_SUPPORTED}",
            where=where,
            code="dicom.transfer_syntax",
        )


def _read(opened: OpenDicom, limit: int | None, max_bytes: int, where: str) -> Clip:
    syntax, header = opened.syntax, opened.header
    pixels = check_pixels(header, max_bytes, where)
    if syntax == _EXTENDED and pixels.bits_allocated > 8:
        raise VideoError(
            "12-bit JPEG is not supported",
            hint=f"export as one of: {_SUPPORTED}",
            where=where,
            code="dicom.jpeg_12_bit",
        )
    stored = find_stored_frames(opened, pixels, where)
    pixels, held = stored.pixels, stored.count
    _check_held(pixels.declared, held, where)
    if pixels.declared > MAX_FRAMES:
        raise VideoError(
            f"the header declares {pixels.declared} frames: too many", where=where, code="dicom.too_many_frames"
        )
    wanted = min(held, pixels.declared, limit or pixels.declared)
    if wanted * pixels.rows * pixels.columns > max_bytes:
        raise too_large(max_bytes, where)
    decode = FrameDecoder(syntax, _DECODERS[syntax], header, pixels)
    grey = FrameBuffer(wanted, max_bytes, where)
    kept = []
    for number in range(wanted):
        data = stored.load(number)
        if data is None:  # how much a deflated file holds is known only now
            held = number
            _check_held(pixels.declared, held, where)
            break
        image = decode(data)
        if image is not None:
            grey.add(image)
            kept.append(number)
    requested = min(wanted, held)
    if not grey:
        because = f": the file holds {decode.mismatch}" if decode.mismatch else ""
        raise VideoError(
            f"none of the {requested} frames can be decoded{because}",
            hint="export or copy it again",
            where=where,
            code="dicom.header_mismatch" if decode.mismatch else "video.no_frames",
        )
    notes = []
    if len(kept) < requested:
        notes.append(f"left out because they are corrupt: {requested - len(kept)} of {requested} frames")
    if held > pixels.declared and not syntax.is_deflated:
        notes.append(f"header declares {pixels.declared} frames, file holds {held}: the rest is not read")
    elif held > pixels.declared == wanted and stored.load(wanted) is not None:
        notes.append(f"header declares {pixels.declared} frames, file holds more: the rest is not read")
    if held < pixels.declared and held < (limit or pixels.declared):
        notes.append(f"header declares {pixels.declared} frames, {len(grey)} decoded")
    if stored.excess:
        notes.append(f"file holds {stored.excess} bytes more than the frames of the header: its size may be wrong")
    damaged = bool(notes)
    if pixels.photometric.startswith("MONOCHROME") and (pixels.bits_stored != 8 or pixels.signed):
        notes.append(f"{pixels.bits_stored}-bit pixels are scaled to 8 bits")
    fps, times, timing_notes = frame_timing(header, pixels.declared, kept)
    spacing, regions, geometry_notes = picture_geometry(header, pixels.rows, pixels.columns)
    return Clip(
        grey.frames(),
        fps=fps,
        times=times,
        spacing=spacing,
        regions=regions,
        source=f"DICOM {_syntax_name(syntax)}",
        notes=(*notes, *timing_notes, *geometry_notes),
        damaged=damaged,
    )


def _check_held(declared: int, held: int, where: str) -> None:
    if held and declared <= _FAR_MORE * held:
        return
    holds = f"the file holds {held}" if held else "the file does not hold one"
    raise VideoError(
        f"the header declares {declared} frames, but {holds}",
        hint="export or copy it again",
        where=where,
        code="dicom.frame_count",
    )


def _syntax_name(syntax: Any) -> str:
    text = str.__str__(syntax)
    if not re.fullmatch(r"[0-9.]{1,64}", text):
        return "(missing or damaged)"
    return text if syntax.name == text else f"{text} {syntax.name}"
