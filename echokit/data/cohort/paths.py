"""Paths in a table: they stay below one folder."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PurePosixPath

from echokit.errors import DataError


def place_below(root: Path, name: str, *, beside: Path | None = None) -> tuple[str, Path]:
    """Resolve a path of a table.

    Absolute paths, ``..`` and links are followed if they lead to a place below the folder.

    Args:
        root: The folder to stay in; a relative path begins there.
        name: The path in the table, with ``/`` or a backslash between folders.
        beside: Where a relative path that does not exist below ``root`` may begin too: the folder of the table.

    Returns:
        The shortest form of the path, relative to ``root``, and the path on this machine. It need not exist.

    Raises:
        DataError: The path is empty, leads out of ``root``, or is neither a file nor a folder. The message does not
            repeat the path, which may identify a patient.
    """
    name = name.replace("\\", "/")
    if not name.strip() or not PurePosixPath(name).parts:
        raise DataError("the source is empty", code="source.empty")
    if any(ord(letter) < 32 for letter in name):
        raise DataError("the source has a control character", code="source.control_character")
    if os.name != "nt" and re.match(r"[A-Za-z]:", name):
        raise DataError(
            "the source is a path on a drive of Windows",
            hint="write the paths relative to the folder of the videos, and name that folder with data.root",
            code="source.drive",
        )
    written = PurePosixPath(name)
    place = root / written  # an absolute path stays what it is
    if beside is not None and not os.path.lexists(place) and os.path.lexists(beside / written):
        place = beside / written
    try:
        real, real_root = os.path.realpath(place), os.path.realpath(root)
        status = os.stat(place)
    except FileNotFoundError:
        status = None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a valid path"
        raise DataError(f"the source cannot be used: {reason}", code="source.unusable") from None
    if real == real_root:
        raise DataError("the source is the folder of all videos", code="source.empty")
    if not Path(real).is_relative_to(real_root):
        raise DataError(
            "the source leads out of the folder of the videos",
            hint="name the folder that all videos are in with data.root; links have to lead there too",
            code="source.outside",
        )
    if status is not None and not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise DataError("the source is neither a file nor a folder", code="source.unusable")
    if place == root / written and not written.is_absolute() and ".." not in written.parts:
        return str(written), place
    below = os.path.relpath(real, real_root)
    return Path(below).as_posix(), root / below
