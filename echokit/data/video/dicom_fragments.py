"""Encapsulated DICOM pixel data: where each compressed frame lies."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from echokit.data.video.dicom_file import Bytes

Fragment = tuple[int, int]
"""File offset and length in bytes of one fragment."""

MAX_FRAGMENTS = 2**20
"""More than any clip has: a file could be made of empty ones."""
_ITEM = b"\xfe\xff\x00\xe0"
_BOXES = b"\0\0\0\x0cjP  "  # JPEG 2000 in the boxes of a file
_BEGIN_OF_IMAGE = (b"\xff\xd8", b"\xff\x4f\xff\x51", _BOXES)
_END_OF_IMAGE = (b"\xff\xd9", b"\xff\xd9\x00")
_SCAN = 0xDA  # the marker in front of the coded pixels


def find_frames(file: Bytes, declared: int, size: int) -> list[list[Fragment]]:
    """Find the fragments of every frame from their first and last bytes.

    Args:
        file: Positioned at the first byte of the pixel data's value, the item of the basic offset table.
        declared: Frames that the header declares.
        size: Length of the file in bytes; a fragment that reaches beyond it is incomplete and left out.

    Returns:
        One list of fragments for each frame that the file holds whole.
    """
    items = _items(file, size)
    if not items:
        return []
    fragments = items[1:]
    if len(fragments) == declared > 1:
        return [[fragment] for fragment in fragments]
    return _by_content(file, fragments)


def _items(file: Bytes, size: int) -> list[Fragment]:
    items: list[Fragment] = []
    while True:
        head = file.read(8)
        if len(head) < 8 or head[:4] != _ITEM:
            return items
        (length,) = struct.unpack("<L", head[4:])
        start = file.tell()
        if start + length > size:
            return items
        items.append((start, length))
        if len(items) > MAX_FRAGMENTS:
            return []
        file.seek(length, 1)


def _by_content(file: Bytes, fragments: Sequence[Fragment]) -> list[list[Fragment]]:
    """Group fragments by content: an image begins where the last one ends.

    Neither the header nor the basic offset table is used: both can list fewer frames than there are.
    """
    frames: list[list[Fragment]] = []
    ended = True
    for start, length in fragments:
        if length == 0:
            continue
        file.seek(start)
        if ended or _begins_image(file.read(min(length, 12))):
            frames.append([])
        frames[-1].append((start, length))
        file.seek(start + max(length - 3, 0))
        ended = file.read(min(length, 3)).endswith(_END_OF_IMAGE)
    return frames


def _begins_image(head: bytes) -> bool:
    """Whether a JPEG, JPEG-LS, JPEG 2000 or RLE image begins with these 12 bytes."""
    rle = len(head) >= 8 and 1 <= head[0] <= 15 and head[1:8] == b"\0\0\0\x40\0\0\0"
    return rle or head.startswith(_BEGIN_OF_IMAGE)


def coded_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width in a JPEG, JPEG-LS or JPEG 2000 header, or None.

    A decoder allocates by these numbers before it reads a pixel, whatever the DICOM header states.
    """
    if data.startswith(_BOXES):
        data = data[max(data[:4096].find(b"\xff\x4f\xff\x51"), 0) :]
    if data[:4] == b"\xff\x4f\xff\x51" and len(data) >= 24:
        right, bottom, left, top = struct.unpack(">4L", data[8:24])
        return bottom - top, right - left
    frame = _jpeg_frame(data)
    if frame is None:
        return None
    height, width = struct.unpack(">2H", data[frame + 5 : frame + 9])
    return height, width


def coded_components(data: bytes) -> int | None:
    """Return the number of components in a JPEG or JPEG 2000 header, or None."""
    if data.startswith(_BOXES):
        data = data[max(data[:4096].find(b"\xff\x4f\xff\x51"), 0) :]
    if data[:4] == b"\xff\x4f\xff\x51" and len(data) >= 42:
        return int.from_bytes(data[40:42], "big")
    frame = _jpeg_frame(data)
    return None if frame is None else data[frame + 9]


def coded_bits(data: bytes) -> int | None:
    """Return the bits of a sample in a JPEG, JPEG-LS or JPEG 2000 header, or None."""
    if data.startswith(_BOXES):
        data = data[max(data[:4096].find(b"\xff\x4f\xff\x51"), 0) :]
    if data[:4] == b"\xff\x4f\xff\x51" and len(data) >= 43:
        return (data[42] & 0x7F) + 1
    frame = _jpeg_frame(data)
    return None if frame is None else data[frame + 4]


def jpeg_may_be_rgb(data: bytes) -> bool:
    """Return whether a JPEG of three components may be RGB.

    Nothing in it states what they are.

    Decoders then take them for YCbCr. JFIF and Adobe markers and the letters R, G, B tell; so does a component that
    is stored at less than full size, which must be chroma.
    """
    frame = _jpeg_frame(data)
    if frame is None or len(data) < frame + 19:
        return False
    stated = any(marker in data[:frame] for marker in (b"\xff\xe0", b"\xff\xee"))
    names, sampling = data[frame + 10 : frame + 19 : 3], set(data[frame + 11 : frame + 19 : 3])
    return not stated and names != b"RGB" and len(sampling) == 1


def jpeg_has_both_ends(data: bytes) -> bool:
    """Return whether a JPEG has a begin, a scan and an end marker."""
    return data.rfind(_END_OF_IMAGE[0]) > 0 and any(marker == _SCAN for marker, _ in _markers(data))


def _jpeg_frame(data: bytes) -> int | None:
    """Return where the frame header of a JPEG image begins, or None."""
    for marker, position in _markers(data):
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            return position if position + 9 <= len(data) else None
    return None


def _markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the markers of a JPEG up to its first scan, and their positions.

    It stops at anything that is not a marker.
    """
    position = 2
    while position + 4 <= len(data) and data[:2] == b"\xff\xd8" and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        yield marker, position
        if marker == _SCAN:
            return
        position += 2 + struct.unpack(">H", data[position + 2 : position + 4])[0]
