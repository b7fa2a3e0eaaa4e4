"""Paths in a table: they stay below the folder of the table."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PurePosixPath

from echokit.errors import DataError


def place_below(root: Path, name: str) -> tuple[str, Path]:
    """Resolve a relative path of a table.

    Args:
        root: The folder to stay in.
        name: The path in the table, with ``/`` between folders.

    Returns:
        The shortest form of the path, relative to ``root``, and the path on this machine. It need not exist.

    Raises:
        DataError: The path is empty or absolute, has ``..`` or a backslash, leaves ``root`` through a link, or is
            neither a file nor a folder. The message does not repeat the path, which may identify a patient.
    """
    if not name.strip() or not PurePosixPath(name).parts:
        raise DataError("the source is empty", code="source.empty")
    if "\\" in name:
        raise DataError("the source has a backslash", hint="write / between folders", code="source.backslash")
    if any(ord(letter) < 32 for letter in name):
        raise DataError("the source has a control character", code="source.control_character")
    relative = PurePosixPath(name)
    if relative.is_absolute() or re.match(r"[A-Za-z]:", name):
        raise DataError(
            "the source is an absolute path",
            hint="paths are relative to the folder of the table",
            code="source.absolute",
        )
    if ".." in relative.parts:
        raise DataError(
            "the source has '..' in it", hint="put the table into a folder above all videos", code="source.parent"
        )
    place = root / relative
    try:
        real = os.path.realpath(place)
        status = os.stat(place)
    except FileNotFoundError:
        status = None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a valid path"
        raise DataError(f"the source cannot be used: {reason}", code="source.unusable") from None
    if not Path(real).is_relative_to(os.path.realpath(root)):
        raise DataError(
            "the source leaves the folder of the table through a link",
            hint="copy the file below the table",
            code="source.link",
        )
    if status is not None and not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise DataError("the source is neither a file nor a folder", code="source.unusable")
    return str(relative), place
