"""The files that a user names on the command line: files, and folders of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from echokit.errors import DataError, VideoError


def expand(sources: Sequence[str]) -> list[Path]:
    """List the videos meant: a folder stands for all files below it, sorted.

    A folder of numbered JPG or PNG frames, named or below one that is named, is one video.

    Raises:
        DataError: A source is missing, or a folder is empty; one error lists all of them.
    """
    files: list[Path] = []
    missing = []
    for source in sources:
        path = Path(source).expanduser()
        if path.is_dir():
            inside = _below(path)
            files += inside
            if not inside:
                missing.append(f"{source} (an empty folder)")
        elif path.exists():
            files.append(path)
        else:
            missing.append(source)
    if missing:
        raise DataError(
            f"no such file or folder: {', '.join(missing)}",
            hint="give AVI, MP4 or DICOM files, or folders of them",
            code="source.missing",
        )
    return files


def _below(folder: Path) -> list[Path]:
    from echokit.data.video.read import video_format

    try:
        if video_format(folder) == "FRAMES":
            return [folder]
    except VideoError:
        pass  # a folder of videos
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = []
    for path in inside:
        if path.is_dir() and not path.is_symlink():
            files += _below(path)
        elif path.is_file():
            files.append(path)
    return files
