"""Where each frame lies in the pixel data of a DICOM file, and its bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from echokit.data.video.dicom_file import Bytes, OpenDicom
from echokit.data.video.dicom_fragments import Fragment, find_frames
from echokit.data.video.dicom_pixels import Pixels
from echokit.errors import VideoError


@dataclass(frozen=True)
class StoredFrames:
    """The frames that a file holds, as far as the header shows.

    Attributes:
        pixels: Their description in the header, corrected by what the file holds.
        count: How many there are; of a deflated file, at most.
        stream: The file.
        start: Where the pixel data's value starts.
        swapped: Whether its bytes lie in big-endian words of two.
        fragments: Of each frame, where frames are compressed.
        excess: Bytes of uncompressed pixels behind the last frame, too few for another; padding is none.
    """

    pixels: Pixels
    count: int
    stream: Bytes
    start: int
    swapped: bool = False
    fragments: Sequence[Sequence[Fragment]] | None = None
    excess: int = 0

    def load(self, number: int) -> bytes | None:
        """Return the bytes of a frame, or None if the file ends before it does."""
        length = self.pixels.frame_bytes
        regular = [(self.start + number * length, length)]
        place = regular if self.fragments is None else self.fragments[number]
        parts = [self._part(start, length) for start, length in place]
        if any(len(part) < length for part, (_, length) in zip(parts, place, strict=True)):
            return None
        return b"".join(parts)

    def _part(self, start: int, length: int) -> bytes:
        before = (start - self.start) % 2 if self.swapped else 0
        self.stream.seek(start - before)
        if not self.swapped:
            return self.stream.read(length)
        words = bytearray(self.stream.read(length + before + (length + before) % 2))
        even = len(words) // 2 * 2
        words[0:even:2], words[1:even:2] = words[1:even:2], words[0:even:2]
        return bytes(words[before : before + length])


def find_stored_frames(opened: OpenDicom, pixels: Pixels, where: str) -> StoredFrames:
    """Find the frames of an open file.

    Args:
        opened: Its stream is at the element of the pixel data.
        pixels: Their description in the header.
        where: Name of the file, for messages.

    Raises:
        VideoError: There are no pixels.
    """
    stream, syntax = opened.stream, opened.syntax
    order = "<" if syntax.is_little_endian else ">"
    element = stream.read(8)
    if len(element) < 8 or struct.unpack(f"{order}2H", element[:4]) != (0x7FE0, 0x0010):
        raise VideoError(
            "this DICOM file holds no pixels",
            hint="remove it, or export it again",
            where=where,
            code="dicom.no_pixels",
        )
    words = element[4:6] == b"OW"
    if not syntax.is_implicit_VR:
        element = stream.read(4)
    if syntax.is_encapsulated:
        places = find_frames(stream, pixels.declared, opened.size)
        return StoredFrames(pixels, len(places), stream, stream.tell(), fragments=places)
    start = stream.tell()
    (declared,) = struct.unpack(f"{order}L", element[-4:])
    if pixels.photometric == "YBR_FULL_422" and declared >= pixels.declared * pixels.rows * pixels.columns * 3:
        # Files exist that declare it and hold all three samples of every pixel.
        pixels = replace(pixels, photometric="YBR_FULL")
    held = max(min(opened.size - start, declared), 0) // pixels.frame_bytes
    swapped = order == ">" and (words or pixels.bits_allocated == 16)
    behind = declared - pixels.declared * pixels.frame_bytes
    excess = behind if 1 < behind < pixels.frame_bytes else 0
    return StoredFrames(pixels, held, stream, start, swapped, excess=excess)
