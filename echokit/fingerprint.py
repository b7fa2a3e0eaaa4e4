"""Fingerprints: hashes of files, of code and of plain data."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from echokit.files import files_in_order, require_regular
from echokit.workspace import workspace


def digest(data: Any) -> str:
    """Hash JSON-able data; the same data gives the same hash on every machine."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def content_hash(path: Path) -> str:
    """Hash a file's content, remembered by its path, size and modification time.

    The hash of a folder is that of its files' contents in their natural order; their names do not count.

    Raises:
        OSError: The file can not be read, or is no regular file.
        VideoError: A file of the folder is a link that leads out of it.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        return digest([content_hash(file) for file in files_in_order(path)])
    require_regular(path)
    key = _key(path, status)
    # A table that can not be used (a full disk, a damaged file) costs time and nothing else.
    with suppress(OSError, sqlite3.Error), _remembered() as table:
        row = table.execute("SELECT hash FROM files WHERE path=? AND size=? AND mtime=?", key).fetchone()
        if row is not None:
            return str(row[0])
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    with suppress(OSError, sqlite3.Error), _remembered() as table:
        table.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (*key, found))
    return found


def known_hashes(paths: Sequence[Path]) -> list[str | None]:
    """Content hashes of files as far as they are remembered; no file is read, and a folder's hash is never known."""
    known: list[str | None] = [None] * len(paths)
    with suppress(sqlite3.Error, OSError), _remembered() as table:
        for number, path in enumerate(paths):
            try:
                status = path.stat()
            except OSError:
                continue  # who reads it will tell
            key = _key(path, status)
            row = table.execute("SELECT hash FROM files WHERE path=? AND size=? AND mtime=?", key).fetchone()
            known[number] = None if row is None else str(row[0])
    return known


def remember(hashes: Mapping[Path, str]) -> None:
    """Remember hashes of files as they are now, by their size and modification time."""
    with suppress(sqlite3.Error, OSError), _remembered() as table:
        for path, found in hashes.items():
            table.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (*_key(path, path.stat()), found))


def _key(path: Path, status: os.stat_result) -> tuple[bytes, int, int]:
    """What a hash is remembered by; the path as bytes, as not every name is UTF-8."""
    return os.fsencode(path.absolute()), status.st_size, status.st_mtime_ns


@contextmanager
def _remembered() -> Iterator[sqlite3.Connection]:
    place = workspace() / "hashes.sqlite"
    if not place.exists():
        os.close(os.open(place, os.O_CREAT | os.O_RDWR, 0o600))  # it holds paths: for its owner only
    connection = sqlite3.connect(place, timeout=60)
    try:
        with connection:
            connection.execute("CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, size, mtime, hash)")
            yield connection
    finally:
        connection.close()


@functools.cache
def code_hash(module: str) -> str:
    """Hash every Python file of the package that a module lies in, without importing it.

    A component leans on its neighbours, so the whole room counts: too much is made again rather than too little.
    """
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    place = Path(spec.origin)
    inside_package = "." in module or place.name == "__init__.py"
    files = sorted(place.parent.rglob("*.py")) if inside_package else [place]
    hashed = hashlib.blake2b(digest_size=16)
    for file in files:
        hashed.update(str(file.relative_to(place.parent)).encode() + b"\0" + file.read_bytes() + b"\0")
    return hashed.hexdigest()
