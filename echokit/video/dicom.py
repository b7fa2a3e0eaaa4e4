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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from echokit.errors import VideoError
from echokit.video.clip import Clip
from echokit.video.dicom_header import frame_timing, picture_geometry
from echokit.video.fragments import Fragment, coded_size, find_frames
from echokit.video.grey import Grey, rgb_to_grey, stored_to_grey, studio_to_full

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.pixels.decoders.base import Decoder

_BASELINE = "1.2.840.10008.1.2.4."
# Transfer syntax -> pydicom's name of the decoder; empty for uncompressed.
_DECODERS = {
    "1.2.840.10008.1.2": "",
    "1.2.840.10008.1.2.1": "",
    "1.2.840.10008.1.2.5": "pylibjpeg",
    _BASELINE + "50": "pillow",
    _BASELINE + "51": "pillow",
    _BASELINE + "57": "gdcm",
    _BASELINE + "70": "gdcm",
    _BASELINE + "80": "gdcm",
    _BASELINE + "81": "gdcm",
    _BASELINE + "90": "pylibjpeg",
    _BASELINE + "91": "pylibjpeg",
    _BASELINE + "201": "pylibjpeg",
    _BASELINE + "202": "pylibjpeg",
    _BASELINE + "203": "pylibjpeg",
}
_SUPPORTED = "uncompressed little endian, RLE, JPEG baseline and lossless, JPEG-LS and JPEG 2000"

_COLOURS = (
    "MONOCHROME1, MONOCHROME2, RGB, PALETTE COLOR, YBR_FULL, YBR_FULL_422, YBR_PARTIAL_422, YBR_PARTIAL_420, "
    "YBR_ICT, YBR_RCT"
)

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
_FAR_MORE = 10


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


@dataclass(frozen=True)
class _Pixels:
    """What the header says about the pixels, checked."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    photometric: str
    declared: int

    @property
    def frame_bytes(self) -> int:
        """Length of one uncompressed frame as it is stored."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * samples * self.bits_allocated // 8


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
    pixels = _check_header(header, max_bytes, where)
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
    decode = _FrameDecoder(get_decoder(syntax), _DECODERS[syntax], header, pixels)
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
    )


def _syntax_name(syntax: Any) -> str:
    text = str.__str__(syntax)
    if not re.fullmatch(r"[0-9.]{1,64}", text):
        return "(missing or damaged)"
    return text if syntax.name == text else f"{text} {syntax.name}"


def _check_header(header: Dataset, max_bytes: int, where: str) -> _Pixels:
    if "Rows" not in header or "Columns" not in header or "BitsAllocated" not in header:
        raise VideoError(
            "this DICOM file holds no pixels",
            hint="reports and structured measurements are DICOM too; leave them out",
            where=where,
        )
    allocated = int(header.BitsAllocated)
    pixels = _Pixels(
        rows=int(header.Rows),
        columns=int(header.Columns),
        samples=int(header.get("SamplesPerPixel", 1)),
        bits_allocated=allocated,
        bits_stored=int(header.get("BitsStored", allocated)),
        signed=bool(header.get("PixelRepresentation", 0)),
        photometric=str(header.get("PhotometricInterpretation", "")),
        declared=int(header.get("NumberOfFrames", None) or 1),
    )
    if pixels.photometric not in _COLOURS.split(", "):
        # Not repeated: in a damaged header anything may stand here.
        raise VideoError(
            "the photometric interpretation is not supported", hint=f"export as one of: {_COLOURS}", where=where
        )
    if pixels.rows < 1 or pixels.columns < 1 or pixels.declared < 1:
        raise VideoError(f"the header declares {pixels.declared} frames of {pixels.rows}x{pixels.columns}", where=where)
    if allocated not in (8, 16) or pixels.samples not in (1, 3) or not 1 <= pixels.bits_stored <= allocated:
        raise VideoError(
            f"{pixels.samples} samples of {pixels.bits_stored} in {allocated} bits a pixel are not supported",
            hint="echo clips have 1 or 3 samples of 8 or 16 bits",
            where=where,
        )
    if pixels.samples == 3 and allocated != 8:
        raise VideoError("colour of more than 8 bits is not supported", where=where)
    if pixels.rows * pixels.columns * pixels.samples > max_bytes:
        raise VideoError(f"one frame is declared as {pixels.rows}x{pixels.columns}: too large", where=where)
    return pixels


def _find_pixels(
    file: BinaryIO, syntax: Any, pixels: _Pixels, size: int, where: str
) -> tuple[_Pixels, list[list[Fragment]]]:
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


class _FrameDecoder:
    """Decodes one frame to grey, or says that it is corrupt."""

    def __init__(self, decoder: Decoder, plugin: str, header: Dataset, pixels: _Pixels) -> None:
        self.decoder = decoder
        self.plugin = plugin
        self.pixels = pixels
        self.palette = _grey_palette(header, pixels) if pixels.photometric == "PALETTE COLOR" else None
        self.options: dict[str, Any] = {
            "transfer_syntax_uid": decoder.UID,
            "rows": pixels.rows,
            "columns": pixels.columns,
            "number_of_frames": 1,
            "samples_per_pixel": pixels.samples,
            "bits_allocated": pixels.bits_allocated,
            "bits_stored": pixels.bits_stored,
            "pixel_representation": int(pixels.signed),
            "photometric_interpretation": pixels.photometric,
            "pixel_keyword": "PixelData",
            "pixel_vr": "OW",
        }
        if pixels.samples > 1:
            self.options["planar_configuration"] = int(header.get("PlanarConfiguration", 0))
        if plugin == "gdcm":
            import gdcm  # type: ignore[import-untyped]

            for switch in (gdcm.Trace.DebugOff, gdcm.Trace.WarningOff, gdcm.Trace.ErrorOff):
                switch()

    def __call__(self, data: bytes) -> Grey | None:
        from pydicom.encaps import encapsulate

        if self.plugin:
            coded = coded_size(data)
            if coded is not None and coded != (self.pixels.rows, self.pixels.columns):
                return None
            data = encapsulate([data])
        try:
            array, properties = self.decoder.as_array(
                data, index=0, raw=True, decoding_plugin=self.plugin, **self.options
            )
        except Exception:
            # Each decoder has its own exceptions for damaged data; the frame is counted as corrupt.
            return None
        return self._grey(array, str(properties["photometric_interpretation"]))

    def _grey(self, array: np.ndarray[Any, Any], photometric: str) -> Grey:
        if photometric in ("MONOCHROME1", "MONOCHROME2"):
            inverted = photometric == "MONOCHROME1"
            return stored_to_grey(array, self.pixels.bits_stored, signed=self.pixels.signed, inverted=inverted)
        if photometric in ("YBR_FULL", "YBR_FULL_422"):
            return np.ascontiguousarray(array[..., 0])
        if photometric in ("YBR_PARTIAL_422", "YBR_PARTIAL_420"):
            return studio_to_full(array[..., 0])
        if self.palette is not None:
            return np.asarray(self.palette[array], np.uint8)
        # The JPEG 2000 decoder turns YBR_ICT and YBR_RCT into RGB and says so.
        return rgb_to_grey(array)


def _grey_palette(header: Dataset, pixels: _Pixels) -> Grey:
    """Return the luma of every value that a pixel of a palette image can have."""
    from pydicom.pixels.processing import apply_color_lut

    values = np.arange(2**pixels.bits_allocated, dtype=f"u{pixels.bits_allocated // 8}")
    colours = np.asarray(apply_color_lut(values[None], header))
    if colours.dtype == np.uint16:
        colours = colours >> 8
    return np.asarray(rgb_to_grey(colours[..., :3].astype(np.uint8))[0], np.uint8)
