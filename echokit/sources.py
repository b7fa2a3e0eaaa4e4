"""The files that a user names on the command line: files, and folders of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from echokit.errors import DataError


def expand(sources: Sequence[str]) -> list[Path]:
    """List the files that are meant: a folder stands for all files below it, in sorted order.

    Raises:
        DataError: A source is not there, or a folder is empty; all of them are told at once.
    """
    files: list[Path] = []
    missing = []
    for source in sources:
        path = Path(source).expanduser()
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
            files += inside
            if not inside:
                missing.append(f"{source} (an empty folder)")
        elif path.exists():
            files.append(path)
        else:
            missing.append(source)
    if missing:
        raise DataError(f"not there: {', '.join(missing)}", hint="give AVI, MP4 or DICOM files, or folders of them")
    return files
