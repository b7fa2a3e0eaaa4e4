"""Files on disk: atomic writes, natural order, and a check that a file has an end."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from echokit.errors import EchokitError, VideoError

PART = ".part"
"""Ending of a file that is being written."""

Key = tuple[tuple[str | int, ...], str]


@contextmanager
def atomic_file(path: Path, *, private: bool = False, durable: bool = True) -> Iterator[Path]:
    """Write a file atomically: a power cut leaves the old or the new content.

    Yields a path in the same folder to write to. It replaces ``path`` when the block ends, and is removed when the
    block raises. Any number of processes and machines may write the same path; the last one wins.

    Args:
        path: The file to replace; its folder exists.
        private: Whether only the owner may read it.
        durable: Whether to sync to the disk. False for what is cheap to recreate and is checked when it is read.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}{PART}")
    try:
        with named_file(path, draft):
            if private:
                draft.touch(0o600, exist_ok=False)
            yield draft
            if durable:
                sync(draft)
            os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    if durable:
        sync(path.parent)


@contextmanager
def named_file(path: Path, draft: Path | None = None) -> Iterator[None]:
    """Give an error of this block the name of the file; a failed write has none.

    Args:
        path: The file, or a folder of files, that this block writes.
        draft: Where it is written until it is complete; this name is replaced by that of ``path``.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:  # a library has reduced it to a text
            raise OSError(errno.EIO, str(error), str(path)) from error
        if error.filename is None:
            error.filename = str(path)
        elif draft is not None and Path(os.fsdecode(error.filename)).is_relative_to(draft):
            error.filename = str(path / Path(os.fsdecode(error.filename)).relative_to(draft))
            error.filename2 = None
        raise


def write_bytes(path: Path, content: bytes | memoryview, *, private: bool = False) -> None:
    """Replace a file atomically; see `atomic_file`."""
    with atomic_file(path, private=private) as draft:
        draft.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Replace a UTF-8 text file atomically; see `atomic_file`."""
    write_bytes(path, text.encode())


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk; on Windows, a file only."""
    if sys.platform == "win32" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Build a folder that appears complete or not at all.

    Yields a hidden folder beside it to fill. It is renamed when the block ends, and removed when the block raises.

    Args:
        folder: Missing or empty; its parents are created.
    """
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        with named_file(folder, draft):
            draft.mkdir(parents=True)
            yield draft
            if folder.exists():
                folder.rmdir()
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def is_file(path: Path) -> bool:
    """Return whether a path is that of a file; False for a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def is_folder(path: Path) -> bool:
    """Return whether a path is that of a folder; see `is_file`."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder for this block.

    Raises:
        EchokitError: No folder for temporary files can be written.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="echokit-")
    except OSError as error:
        raise EchokitError(
            f"no temporary files can be written: {error.strerror}",
            hint="free some space, or set TMPDIR to a folder on another disk",
            where=error.filename,
            code="file.no_temporary_folder",
        ) from None
    with folder as name:
        yield Path(name)


def require_regular(path: Path) -> None:
    """Check that a path is a regular file, or a link to one, before it is opened.

    A FIFO blocks until something writes to it, and a device may have no end.

    Raises:
        OSError: It does not exist, or is a folder, a FIFO, a socket or a device.
        ValueError: It is no valid path.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def natural_key(name: str) -> Key:
    """Return a sort key with numbers by value: ``frame_9`` before ``frame_10``."""
    parts = re.split(r"([0-9]+)", name)
    return tuple(int(part) if index % 2 else part.casefold() for index, part in enumerate(parts)), name


def files_in_order(folder: Path) -> list[Path]:
    """List the files directly inside a folder in natural order, without hidden ones.

    Raises:
        VideoError: A file is a link that leads out of the folder, or to nothing.
        OSError: The folder cannot be read.
    """
    files = sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=_by_name)
    for path in files:
        if path.is_symlink() and path.resolve().parent != folder.resolve():
            raise VideoError(
                "a file of this folder is a link that leads out of it",
                hint="copy it there",
                where=folder.name,
                code="folder.link",
            )
    return [path for path in files if path.is_file()]


def _by_name(path: Path) -> Key:
    return natural_key(path.name)
