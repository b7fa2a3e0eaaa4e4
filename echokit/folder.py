"""The files of a folder, in the order that a person means: ``frame_9`` before ``frame_10``."""

from __future__ import annotations

import re
from pathlib import Path

from echokit.errors import VideoError

Key = tuple[tuple[str | int, ...], str]


def natural_key(name: str) -> Key:
    """Sort names by the numbers in them, as numbers."""
    parts = re.split(r"([0-9]+)", name)
    return tuple(int(part) if index % 2 else part.casefold() for index, part in enumerate(parts)), name


def files_in_order(folder: Path) -> list[Path]:
    """List the files directly inside a folder in natural order, hidden ones left out.

    Raises:
        VideoError: A file is a link that leads out of the folder, or to nothing.
        OSError: The folder can not be read.
    """
    files = sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=_by_name)
    for path in files:
        if path.is_symlink() and path.resolve().parent != folder.resolve():
            raise VideoError(
                "a file of this folder is a link that leads out of it", hint="copy it there", where=folder.name
            )
    return [path for path in files if path.is_file()]


def _by_name(path: Path) -> Key:
    return natural_key(path.name)
