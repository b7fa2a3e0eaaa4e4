"""Opening a DICOM file: requested elements only, and its pixel data.

A deflated file is inflated as it is read: its header within ``HEAD`` bytes, its frames one after the other. So it
costs no more memory than any other, whatever it would unpack to.
"""

from __future__ import annotations

import io
import logging
import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

HEAD = 32 * 2**20  # inflated bytes within which the header of a deflated file must end
_FIRST_HEAD = HEAD // 8**3  # within which that of most files ends
_RATIO = 1032  # DEFLATE cannot shrink further than that
_CHUNK = 2**16


class Bytes(Protocol):
    """What frames are read from: a file, or one that is inflated on the way."""

    def read(self, size: int, /) -> bytes: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def tell(self) -> int: ...


@dataclass(frozen=True)
class OpenDicom:
    """An open DICOM file.

    Attributes:
        syntax: Transfer syntax; empty if the file has none.
        header: The elements that were requested, as far as they are there.
        stream: At the element of the pixel data, or at the end.
        size: Most bytes that the stream can have.
    """

    syntax: UID
    header: Dataset
    stream: Bytes
    size: int


def transfer_syntax(path: Path) -> UID:
    """Read the transfer syntax; empty if the file has none.

    Exceptions of pydicom pass through.
    """
    from pydicom.filereader import read_file_meta_info
    from pydicom.uid import UID

    return UID(str(read_file_meta_info(path).get("TransferSyntaxUID", "")))


@contextmanager
def open_dicom(path: Path, elements: Sequence[str]) -> Iterator[OpenDicom]:
    """Open a file and read some elements of its header; silence pydicom inside.

    Args:
        path: A DICOM file.
        elements: Keywords; no other element is kept.

    Raises:
        Exception: Whatever pydicom raises on a damaged file. Its messages quote values: they must not be shown.
    """
    with quiet(), path.open("rb") as file:
        yield _open(path, file, elements)


def read_elements(path: Path, elements: Sequence[str]) -> Dataset:
    """Read some elements of a header; see ``open_dicom``."""
    with open_dicom(path, elements) as opened:
        return opened.header


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom and GDCM, whose warnings quote header values."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _open(path: Path, file: BinaryIO, elements: Sequence[str]) -> OpenDicom:
    from pydicom import dcmread

    syntax = transfer_syntax(path)
    size = os.fstat(file.fileno()).st_size
    if not syntax.is_transfer_syntax or not syntax.is_deflated:
        wanted = list[Any](elements)
        header: Dataset = dcmread(file, stop_before_pixels=True, specific_tags=wanted)
        if syntax.is_transfer_syntax and not syntax.is_little_endian:
            header = _little_endian_words(header)
        return OpenDicom(syntax, header, file, size)
    stream = Inflated(file, _end_of_meta(file))
    header = _inflated_header(stream, elements)
    return OpenDicom(syntax, header, stream, HEAD + size * _RATIO)


def _little_endian_words(header: Dataset) -> Dataset:
    """Swap the bytes of words (OW), palettes above all, of a big-endian header.

    pydicom gives them as they are stored, and takes most of them for little-endian.
    """
    from pydicom import Dataset

    swapped = Dataset()
    for element in header:
        if element.VR == "OW":
            element.value = np.frombuffer(element.value, ">u2").astype("<u2").tobytes()
        swapped.add(element)
    swapped.set_original_encoding(False, True)
    return swapped


def _end_of_meta(file: BinaryIO) -> int:
    """Return where the data set begins: after the file meta information.

    The file meta information is never deflated.
    """
    file.seek(132)
    element = file.read(12)
    if element[:8] != b"\x02\0\0\0UL\x04\0":
        raise ValueError("there is no group length")
    return 144 + int(struct.unpack("<L", element[8:])[0])


def _inflated_header(stream: Inflated, elements: Sequence[str]) -> Dataset:
    from pydicom.datadict import tag_for_keyword
    from pydicom.filereader import read_dataset

    tags = [tag for name in elements if (tag := tag_for_keyword(name)) is not None]
    ended = False

    def at_pixels(tag: int, vr: str | None, length: int) -> bool:
        nonlocal ended
        ended = tag >= 0x7FE00010
        return ended

    size = _FIRST_HEAD
    while True:
        stream.keep_head(size)
        head = io.BytesIO(stream.head)
        last = len(stream.head) < size or size >= HEAD
        try:
            header = read_dataset(
                head,
                is_implicit_VR=False,
                is_little_endian=True,
                stop_when=at_pixels,
                specific_tags=list[Any](tags),
            )
        except Exception:  # an element is cut
            if last:
                raise
        else:
            if ended or last:
                stream.seek(head.tell())
                return header
        size *= 8


class Inflated:
    """The inflated bytes of a raw DEFLATE stream, best read forward.

    Args:
        file: The file.
        start: Where the stream begins.
    """

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        self._start = start
        self._restart()
        self.head = b""
        self._at = 0  # of the decompressor; the reader's place is another
        self._place = 0

    def keep_head(self, size: int) -> None:
        """Inflate the first bytes and keep them; call it before any other reading."""
        self.head += self._inflate(size - len(self.head))
        self._at = len(self.head)

    def read(self, size: int, /) -> bytes:
        """Return ``size`` bytes, fewer where the stream ends or is damaged."""
        parts = [self.head[self._place : self._place + size]]
        left = size - len(parts[0])
        if left > 0:
            self._go_to(self._place + len(parts[0]))
            parts.append(self._inflate(left))
            self._at += len(parts[-1])
        data = b"".join(parts)
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place, as in a file; nothing is read yet."""
        self._place = offset + (self._place if whence == 1 else 0)
        return self._place

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._place

    def _go_to(self, place: int) -> None:
        if place < self._at:
            self._restart()
            self._at = 0
        while self._at < place:
            passed = self._inflate(min(place - self._at, 2**20))
            if not passed:
                return
            self._at += len(passed)

    def _restart(self) -> None:
        self._file.seek(self._start)
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._waiting = b""

    def _inflate(self, size: int) -> bytes:
        parts = []
        while size > 0 and not self._inflater.eof:
            if not self._waiting:
                self._waiting = self._file.read(_CHUNK)
            try:
                part = self._inflater.decompress(self._waiting, size)
            except zlib.error:
                break
            ended = not self._waiting
            self._waiting = self._inflater.unconsumed_tail
            if not part and ended:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
