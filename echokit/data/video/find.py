"""The files that a user names on the command line: files, and folders of files."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from pathlib import Path

from echokit.data.video.readers import INDEXES, find_reader, known_suffixes
from echokit.errors import DataError, VideoError

HINT = "give AVI, MP4 or DICOM files, or files of a format that a plugin reads, or folders of them"

# Files that are videos, of formats that no built-in reader reads.
_NOT_READ = (".mkv", ".wmv", ".mpg", ".mpeg", ".webm")
# JPEG, PNG, GIF, BMP, TIFF, PDF, RTF, office documents and archives, text in UTF-16 and in UTF-8 with a mark.
_OTHERS = (
    b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"%PDF", b"{\\rtf", b"PK\x03\x04",
    b"\xd0\xcf\x11\xe0",
    b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf",
)  # fmt: skip


def expand(sources: Sequence[str]) -> list[Path]:
    """List the files meant: a folder stands for all files below it, sorted.

    A folder whose files are the frames of one video, named or below one that is named, is one video. Hidden folders
    are skipped.

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
            hint=HINT,
            code="source.missing",
        )
    return files


def split_videos(files: Sequence[Path]) -> tuple[list[Path], int]:
    """Separate what may be a video from what is none.

    Returns:
        The files and folders that may be videos, and the number of others.

    Raises:
        DataError: Not one may be a video.
    """
    videos = [path for path in files if not is_no_video(path)]
    if not videos:
        raise DataError(
            f"none of the {len(files)} files is a video",
            hint=HINT,
            code="source.no_video",
        )
    return videos, len(files) - len(videos)


def is_no_video(path: Path) -> bool:
    """Decide by name and content whether a file is none that should be a video.

    Indexes, spreadsheets, notes and pictures lie in the folders of studies. A file that is named like a video, or
    has no extension, as many DICOM files, and is not known as another kind, counts as a video that cannot be read.

    Args:
        path: A file; a folder may be a video.
    """
    name, suffix = path.name.lower(), path.suffix.lower()
    if name.startswith(".") or name in INDEXES:
        return True
    try:
        find_reader(path)
    except VideoError as error:
        if path.is_dir() or error.code not in ("file.empty", "video.unknown_format"):
            return False
        if name.endswith((*known_suffixes(), *_NOT_READ)):
            return False
        # The last part of a DICOM's number looks like an extension.
        return _is_other(path) if suffix[1:].isdigit() or not suffix else True
    return False


def _is_other(path: Path) -> bool:
    """Return whether the first bytes are those of a picture, a document or a text."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError:
        return False
    try:
        # Of a longer text the last letter may be cut.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        text = "\0"
    return head.startswith(_OTHERS) or (bool(head) and all(letter >= " " or letter in "\t\n\r\f" for letter in text))


def _is_one_video(folder: Path) -> bool:
    """Return whether a folder is one video, and none of its files is one by itself."""
    try:
        found = find_reader(folder)
    except VideoError:
        return False
    frames = found.files
    return len(frames) > 1 and not any(map(_is_video, (frames[0], *(set(folder.iterdir()) - set(frames)))))


def _is_video(path: Path) -> bool:
    try:
        return path.is_file() and bool(find_reader(path))
    except VideoError:
        return False


def _below(folder: Path) -> list[Path]:
    if _is_one_video(folder):
        return [folder]
    files = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            files += _below(path)
        elif path.is_file():
            files.append(path)
    return files
