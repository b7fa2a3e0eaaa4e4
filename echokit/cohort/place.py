"""Where a table may point to: below its own folder, and nowhere else."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PurePosixPath

from echokit.errors import DataError


def place_below(root: Path, name: str) -> tuple[str, Path]:
    """Resolve a relative path that a table gives.

    Args:
        root: The folder that must not be left.
        name: As the table says it, with ``/`` between folders.

    Returns:
        The path in its shortest spelling, relative to ``root``, and the place on this machine. Nothing need be there.

    Raises:
        DataError: The path is empty, absolute, has ``..`` or a backslash in it, leads out of ``root`` through a link,
            or to something that is neither a file nor a folder. The message does not repeat the path, which may name a
            patient.
    """
    if not name.strip() or not PurePosixPath(name).parts:
        raise DataError("the source is empty")
    if "\\" in name:
        raise DataError("the source has a backslash in it", hint="write / between folders")
    if any(ord(letter) < 32 for letter in name):
        raise DataError("the source has a control character in it")
    relative = PurePosixPath(name)
    if relative.is_absolute() or re.match(r"[A-Za-z]:", name):
        raise DataError("the source is an absolute path", hint="paths are relative to the folder of the table")
    if ".." in relative.parts:
        raise DataError("the source has '..' in it", hint="put the table into a folder above all videos")
    place = root / relative
    try:
        real = os.path.realpath(place)
        status = os.stat(place)
    except FileNotFoundError:
        status = None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a valid path"
        raise DataError(f"the source can not be used: {reason}") from None
    if not Path(real).is_relative_to(os.path.realpath(root)):
        raise DataError(
            "the source leads out of the folder of the table through a link", hint="copy the file below the table"
        )
    if status is not None and not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise DataError("the source is neither a file nor a folder")
    return str(relative), place
