"""Encapsulated DICOM pixel data: where each compressed frame lies in the file, also when its end is missing."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from echokit.video.dicom_file import Bytes

Fragment = tuple[int, int]
"""File offset and length in bytes of one fragment."""

MAX_FRAGMENTS = 2**20
"""More than any clip has: a file could be made of empty ones."""
_ITEM = b"\xfe\xff\x00\xe0"
_END_OF_IMAGE = (b"\xff\xd9", b"\xff\xd9\x00")


def find_frames(file: Bytes, declared: int, size: int) -> list[list[Fragment]]:
    """Find the fragments of every frame; only the lengths in front of the fragments are read.

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
    table, fragments = items[0], items[1:]
    if declared == 1:
        return [fragments] if fragments else []
    if len(fragments) <= declared:
        return [[fragment] for fragment in fragments]
    return _by_offsets(file, table, fragments) or _by_end_marker(file, fragments)


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


def _by_offsets(file: Bytes, table: Fragment, fragments: Sequence[Fragment]) -> list[list[Fragment]]:
    """Group by the basic offset table: bytes from the first fragment's item to the first item of each frame."""
    file.seek(table[0])
    raw = file.read(table[1])
    starts = set(struct.unpack(f"<{len(raw) // 4}L", raw[: len(raw) // 4 * 4]))
    first = fragments[0][0]
    frames: list[list[Fragment]] = []
    for fragment in fragments:
        if fragment[0] - first in starts:
            frames.append([])
        if not frames:
            return []
        frames[-1].append(fragment)
    return frames


def _by_end_marker(file: Bytes, fragments: Sequence[Fragment]) -> list[list[Fragment]]:
    """Group by the marker that ends a JPEG, JPEG-LS or JPEG 2000 image."""
    frames: list[list[Fragment]] = [[]]
    for start, length in fragments:
        frames[-1].append((start, length))
        file.seek(start + max(length - 3, 0))
        if file.read(3).endswith(_END_OF_IMAGE):
            frames.append([])
    return [frame for frame in frames if frame]


def coded_size(data: bytes) -> tuple[int, int] | None:
    """Height and width that a JPEG, JPEG-LS or JPEG 2000 image says it has, or None where it says nothing.

    A decoder allocates by these numbers before it reads a pixel, whatever the DICOM header says.
    """
    if data[:8] == b"\0\0\0\x0cjP  ":  # JPEG 2000 in the boxes of a file
        data = data[max(data[:4096].find(b"\xff\x4f\xff\x51"), 0) :]
    if data[:4] == b"\xff\x4f\xff\x51" and len(data) >= 24:
        right, bottom, left, top = struct.unpack(">4L", data[8:24])
        return bottom - top, right - left
    frame = _jpeg_frame(data)
    if frame is None:
        return None
    height, width = struct.unpack(">2H", data[frame + 5 : frame + 9])
    return height, width


def jpeg_may_be_rgb(data: bytes) -> bool:
    """Whether nothing in a JPEG of three components tells a decoder what they are, and nothing tells against RGB.

    Decoders then take them for YCbCr. JFIF and Adobe markers and the letters R, G, B tell; so does a component that
    is stored at less than full size, which must be chroma.
    """
    frame = _jpeg_frame(data)
    if frame is None or len(data) < frame + 19:
        return False
    told = any(marker in data[:frame] for marker in (b"\xff\xe0", b"\xff\xee"))
    names, sampling = data[frame + 10 : frame + 19 : 3], set(data[frame + 11 : frame + 19 : 3])
    return not told and names != b"RGB" and len(sampling) == 1


def _jpeg_frame(data: bytes) -> int | None:
    """Return where the frame header of a JPEG or JPEG-LS image begins, or None where there is none."""
    position = 2
    while position + 9 <= len(data) and data[:2] == b"\xff\xd8":
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            return position
        position += 2 + struct.unpack(">H", data[position + 2 : position + 4])[0]
    return None
