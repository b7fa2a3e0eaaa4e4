"""The pixels of a DICOM file: header checked, one frame at a time made grey."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from echokit.data.video.container import stored_plane
from echokit.data.video.dicom_fragments import coded_bits, coded_components, coded_size, jpeg_may_be_rgb
from echokit.data.video.frame_buffer import MAX_PIXELS, frame_too_large, too_large
from echokit.data.video.grayscale import Colour, Grey, rgb_to_grey, stored_to_grey, studio_to_full, ybr_to_rgb
from echokit.data.video.jpeg import JpegDecoder
from echokit.data.video.rle import rle_holds_more
from echokit.errors import VideoError

if TYPE_CHECKING:
    from av import VideoFrame
    from pydicom import Dataset

_COLOURS = (
    "MONOCHROME1, MONOCHROME2, RGB, PALETTE COLOR, YBR_FULL, YBR_FULL_422, YBR_PARTIAL_422, YBR_PARTIAL_420, "
    "YBR_ICT, YBR_RCT"
)

_MOST_COMPONENTS = 4
_UNCOMPRESSED = "1.2.840.10008.1.2.1"
_RLE = "1.2.840.10008.1.2.5"


@dataclass(frozen=True)
class Pixels:
    """The pixels by the header, checked."""

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


def check_pixels(header: Dataset, max_bytes: int, where: str) -> Pixels:
    """Read the description of the pixels in the header.

    Args:
        header: A DICOM header.
        max_bytes: Most bytes that one frame may have.
        where: Name of the file, for messages.

    Raises:
        VideoError: There are no pixels, or they are of a kind that echo clips do not have.
    """
    if "Rows" not in header or "Columns" not in header or "BitsAllocated" not in header:
        raise VideoError(
            "this DICOM file holds no pixels",
            hint="reports and structured measurements are DICOM too; remove them",
            where=where,
            code="dicom.no_pixels",
        )
    allocated = int(header.BitsAllocated)
    pixels = Pixels(
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
            "the photometric interpretation is not supported",
            hint=f"export as one of: {_COLOURS}",
            where=where,
            code="dicom.photometric",
        )
    if pixels.rows < 1 or pixels.columns < 1 or pixels.declared < 1:
        raise VideoError(
            f"the header declares {pixels.declared} frames of {pixels.rows}x{pixels.columns}",
            where=where,
            code="dicom.frame_count",
        )
    if allocated not in (8, 16) or pixels.samples not in (1, 3) or not 1 <= pixels.bits_stored <= allocated:
        raise VideoError(
            f"{pixels.samples} samples of {pixels.bits_stored} in {allocated} bits a pixel are not supported",
            hint="echo clips have 1 or 3 samples of 8 or 16 bits",
            where=where,
            code="dicom.bit_depth",
        )
    if pixels.samples == 3 and allocated != 8:
        raise VideoError("colour of more than 8 bits is not supported", where=where, code="dicom.bit_depth")
    if pixels.rows * pixels.columns > MAX_PIXELS:
        raise frame_too_large(pixels.columns, pixels.rows, where)
    if pixels.rows * pixels.columns > max_bytes:
        raise too_large(max_bytes, where)
    return pixels


class HeaderMismatch(ValueError):
    """A coded image that contradicts the DICOM header."""


class FrameDecoder:
    """Decodes one frame to grey, or reports that it is corrupt.

    Args:
        syntax: The transfer syntax.
        plugin: pydicom's name of the library that decodes it; ``libav`` for JPEG of 8 bits, which pydicom does not
            know; empty for uncompressed pixels, which are given little-endian.
        header: The DICOM header, for the palette.
        pixels: Their description in the header.

    Attributes:
        mismatch: How the last image that contradicts the header does so; None if none did.
    """

    def __init__(self, syntax: str, plugin: str, header: Dataset, pixels: Pixels) -> None:
        from pydicom.pixels.decoders.base import get_decoder
        from pydicom.uid import UID

        decoder = get_decoder(UID(syntax if plugin else _UNCOMPRESSED))
        self.decoder = decoder
        self.decode_jpeg = JpegDecoder(MAX_PIXELS) if plugin == "libav" else None
        self.plugin = plugin
        self.rle = syntax == _RLE
        self.mismatch: str | None = None
        self.pixels = pixels
        self.header = header
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
        """Return the (H, W) uint8 luma of one frame; None if it is damaged."""
        try:
            if self.decode_jpeg is not None:
                return self._jpeg(self.decode_jpeg(self._checked(data)), data)
            array, photometric = self._decode(self._checked(data))
        except HeaderMismatch as error:
            self.mismatch = str(error)
            return None
        except Exception:
            # Each decoder has its own exceptions for damaged data; the frame is counted as corrupt.
            return None
        return self._grey(array, photometric)

    def colour(self, data: bytes) -> Colour | None:
        """Return one frame as (H, W, 3) uint8 RGB; None if damaged or grey."""
        if self.pixels.samples == 1 and self.palette is None:
            return None
        try:
            if self.decode_jpeg is not None:
                return self._jpeg_colour(self._checked(data))
            array, photometric = self._decode(self._checked(data))
        except Exception:
            return None
        if self.palette is not None:
            entries = _colours_of(self.header, self.pixels)
            return np.asarray(entries[array], np.uint8)
        if photometric.startswith("YBR"):
            return ybr_to_rgb(array)
        return np.asarray(array, np.uint8)

    def _checked(self, data: bytes) -> bytes:
        """Refuse an image that contradicts the DICOM header.

        Its size, because a decoder allocates memory by it; fewer bits, because it would be read too dark.
        """
        if not self.plugin:
            return data
        pixels = self.pixels
        coded, bits, components = coded_size(data), coded_bits(data), coded_components(data)
        if coded is not None and coded != (pixels.rows, pixels.columns):
            raise HeaderMismatch(
                f"an image of {coded[0]}x{coded[1]} pixels where the header states {pixels.rows}x{pixels.columns}"
            )
        if bits is not None and not pixels.bits_stored <= bits <= pixels.bits_allocated:
            raise HeaderMismatch(f"an image of {bits} bits where the header states {pixels.bits_stored}")
        if components is not None and components > _MOST_COMPONENTS:
            raise HeaderMismatch("an image of more components than a picture has")
        if self.plugin == "gdcm":
            # GDCM ends the process if the size of an image differs from that in the header.
            if coded is None or bits is None or components is None:
                raise ValueError("the image has no header")
            if components != pixels.samples:
                raise HeaderMismatch(f"an image of {components} components where the header states {pixels.samples}")
        if self.rle and rle_holds_more(data, pixels.rows * pixels.columns):
            raise HeaderMismatch(f"an image of more than the {pixels.rows}x{pixels.columns} pixels of the header")
        return data

    def _decode(self, data: bytes) -> tuple[np.ndarray[Any, Any], str]:
        from pydicom.encaps import encapsulate

        array, properties = self.decoder.as_array(
            encapsulate([data]) if self.plugin else data,
            index=0,
            raw=True,
            decoding_plugin=self.plugin,
            **self.options,
        )
        return array, str(properties["photometric_interpretation"])

    def _jpeg_colour(self, data: bytes) -> Colour:
        from PIL import Image

        image = Image.open(io.BytesIO(data), formats=("JPEG",))
        if self.pixels.photometric == "RGB" and jpeg_may_be_rgb(data):
            image.draft("YCbCr", image.size)  # the decoder takes it for YCbCr: so it leaves the components as they are
            return np.asarray(image, np.uint8)
        return np.asarray(image.convert("RGB"), np.uint8)

    def _jpeg(self, frame: VideoFrame, data: bytes) -> Grey:
        """Make an 8-bit JPEG grey, by the components that the JPEG itself states.

        The DICOM header may state RGB and be wrong.

        The luma of YCbCr is taken as it is stored, and RGB is weighted.
        """
        name = frame.format.name
        if self.palette is not None and name != "gray":
            raise ValueError("a palette image in three components")
        if name in ("yuvj444p", "yuv444p") and self.pixels.photometric == "RGB" and jpeg_may_be_rgb(data):
            return rgb_to_grey(np.stack([stored_plane(frame, number) for number in range(3)], axis=-1))
        rgb = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) if name == "gbrp" else None
        luma = stored_plane(frame, 0) if rgb is None else rgb_to_grey(rgb)
        return self._grey(luma, self.pixels.photometric if self.pixels.samples == 1 else "MONOCHROME2")

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
        # The JPEG 2000 decoder turns YBR_ICT and YBR_RCT into RGB and states it.
        return rgb_to_grey(array)


def _grey_palette(header: Dataset, pixels: Pixels) -> Grey:
    """Return the luma of every value that a pixel of a palette image can have."""
    return np.asarray(rgb_to_grey(_colours_of(header, pixels)[None])[0], np.uint8)


def _colours_of(header: Dataset, pixels: Pixels) -> Colour:
    """Return the (n, 3) uint8 RGB of every value of a palette image.

    Args:
        header: With its palette in little-endian bytes.
        pixels: Their description in the header.
    """
    from pydicom.pixels.processing import apply_color_lut

    values = np.arange(2**pixels.bits_allocated, dtype=f"u{pixels.bits_allocated // 8}")
    colours = np.asarray(apply_color_lut(values[None], header))
    if colours.dtype == np.uint16:
        colours = colours >> 8
    entries: Colour = colours[0, :, :3].astype(np.uint8)
    return entries
