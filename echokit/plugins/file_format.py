"""How the files of a reader are recognized: by their first bytes, without importing the reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from echokit.errors import EchokitError

HEAD = 4096
"""Bytes of a file that are read to recognize it."""

Magic = Mapping[int, bytes] | Sequence[Mapping[int, bytes]]
"""Offset to the bytes that stand there; or several such, any of which will do."""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How the files of a reader are recognized.

    Attributes:
        magic: Alternatives; each lists offsets and the bytes there.
        suffixes: Lower-case endings of names that such files usually have.
        folder: Whether the reader takes a folder of such files as one video.
    """

    magic: tuple[tuple[tuple[int, bytes], ...], ...]
    suffixes: tuple[str, ...] = ()
    folder: bool = False

    def claims(self, head: bytes) -> bool:
        """Return whether a file begins like this format.

        Args:
            head: Its first ``HEAD`` bytes.
        """
        for parts in self.magic:
            for offset, expected in parts:
                if not head.startswith(expected, offset):
                    break
            else:
                return True
        return False


def file_format(reader: str, magic: Magic, suffixes: Sequence[str], folder: bool) -> FileFormat:
    """Check what a plugin gives and make a format of it.

    Args:
        reader: Name of the reader, for messages.
        magic: As in `Register.reader`.
        suffixes: Usual endings of names.
        folder: Whether a folder is one video.

    Raises:
        EchokitError: It has another type, is empty, or lies beyond the first ``HEAD`` bytes.
    """
    alternatives = [magic] if isinstance(magic, Mapping) else magic
    if not isinstance(alternatives, (list, tuple)) or not alternatives or not all(map(_is_magic, alternatives)):
        raise EchokitError(
            f"the reader {reader!r} is registered without bytes by which its files are recognized",
            hint=f'write magic={{0: b"\\x93NUMPY"}}: an offset and the bytes there, within the first {HEAD}',
            code="reader.bad_magic",
        )
    if isinstance(suffixes, str) or not all(isinstance(end, str) and end.startswith(".") for end in suffixes):
        raise EchokitError(
            f"the suffixes of the reader {reader!r} are {suffixes!r}",
            hint='write suffixes=[".npy"]',
            code="reader.bad_suffixes",
        )
    parts = tuple(tuple(sorted((offset, bytes(found)) for offset, found in one.items())) for one in alternatives)
    return FileFormat(parts, tuple(end.lower() for end in suffixes), bool(folder))


def _is_magic(parts: object) -> bool:
    """Return whether this is a mapping of offsets to bytes within the head."""
    return (
        isinstance(parts, Mapping)
        and bool(parts)
        and all(
            isinstance(offset, int) and isinstance(found, bytes) and found and 0 <= offset <= HEAD - len(found)
            for offset, found in parts.items()
        )
    )
