"""RLE images of DICOM: whether they hold what the header states."""

from __future__ import annotations

import struct

_HEADER = struct.Struct("<16L")
_PADDING = 1  # decoded bytes that some writers add to make a segment even


def rle_holds_more(data: bytes, pixels: int) -> bool:
    """Return whether a segment of an RLE image decodes to more bytes than pixels.

    Decoders drop the rest without a word.

    Args:
        data: The image.
        pixels: Of one frame: a segment holds one byte of each.
    """
    from rle.rle import decode_frame  # type: ignore[import-not-found]

    if len(data) < _HEADER.size:
        return False
    count, *starts = _HEADER.unpack_from(data)
    ends = [*starts[1:count], len(data)]
    for start, end in zip(starts[:count], ends, strict=False):
        try:
            decode_frame(_HEADER.pack(1, _HEADER.size, *[0] * 14) + data[start:end], pixels + _PADDING + 1, 8, "<")
        except ValueError:
            continue  # it holds less
        return True
    return False
