"""Checksums of the files of a folder, kept in one file beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from echokit.system.files import write_text

CHECKSUMS = "checksums.json"


def checksum(content: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def file_checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_checksums(folder: Path) -> dict[str, str]:
    """Read the checksums of a folder by file name; empty if missing or damaged."""
    try:
        content = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(name): str(value) for name, value in content.items()} if isinstance(content, dict) else {}


def write_checksums(folder: Path, checksums: Mapping[str, str]) -> None:
    """Write the checksums of a folder, in place of earlier ones."""
    write_text(folder / CHECKSUMS, json.dumps(dict(sorted(checksums.items())), indent=1) + "\n")


def add_checksums(folder: Path, names: Iterable[str]) -> None:
    """Compute the checksums of files and write them beside the earlier ones.

    Args:
        folder: The folder.
        names: Relative to it; a file that does not exist is left out.
    """
    computed = {name: file_checksum(folder / name) for name in names if (folder / name).is_file()}
    write_checksums(folder, {**read_checksums(folder), **computed})


def checksum_problem(folder: Path, name: str) -> str | None:
    """Compare a file with its checksum; return what is wrong, or None.

    Raises:
        OSError: The file cannot be read.
    """
    expected = read_checksums(folder).get(name)
    if not (folder / CHECKSUMS).is_file():
        return f"there is no {CHECKSUMS} beside it, as in a run of an older echokit"
    if expected is None:
        return f"it has no checksum in {CHECKSUMS}"
    if not (folder / name).is_file():
        return "it is missing"
    return None if file_checksum(folder / name) == expected else "it has changed since it was written"
