"""Hashes of files, of code and of JSON data."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from echokit.system.cache_folder import cache_folder_path
from echokit.system.files import files_in_order, require_regular


def digest(data: Any) -> str:
    """Hash JSON-able data; the same data gives the same hash on every machine."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def content_hash(path: Path) -> str:
    """Hash the content of a file; cached by its path, size and modification time.

    The hash of a folder is that of its files' contents in their natural order; their names do not count.

    Raises:
        OSError: The file cannot be read, or is no regular file.
        VideoError: A file of the folder is a link that leads out of it.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        return digest([content_hash(file) for file in files_in_order(path)])
    require_regular(path)
    key = _key(path, status)
    # An unusable cache (a full disk, a damaged file) only costs time.
    with suppress(OSError, sqlite3.Error), _cache() as table:
        row = table.execute("SELECT hash FROM files WHERE path=? AND size=? AND mtime=?", key).fetchone()
        if row is not None:
            return str(row[0])
    with path.open("rb") as file:
        computed = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    with suppress(OSError, sqlite3.Error), _cache() as table:
        table.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (*key, computed))
    return computed


def cached_hashes(paths: Sequence[Path]) -> list[str | None]:
    """Look up the cached content hashes of files; None for unknown ones.

    No file is read.
    """
    hashes: list[str | None] = [None] * len(paths)
    with suppress(sqlite3.Error, OSError), _cache() as table:
        for number, path in enumerate(paths):
            try:
                status = path.stat()
            except OSError:
                continue  # reading it reports the error
            key = _key(path, status)
            row = table.execute("SELECT hash FROM files WHERE path=? AND size=? AND mtime=?", key).fetchone()
            hashes[number] = None if row is None else str(row[0])
    return hashes


def cache_hashes(hashes: Mapping[Path, str]) -> None:
    """Cache the hashes of files by their current size and modification time."""
    with suppress(sqlite3.Error, OSError), _cache() as table:
        for path, computed in hashes.items():
            table.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (*_key(path, path.stat()), computed))


def _key(path: Path, status: os.stat_result) -> tuple[bytes, int, int]:
    """Return the cache key of a file; the path as bytes, as not every name is UTF-8."""
    return os.fsencode(path.absolute()), status.st_size, status.st_mtime_ns


@contextmanager
def _cache() -> Iterator[sqlite3.Connection]:
    path = cache_folder_path() / "hashes.sqlite"
    path.touch(0o600)  # it holds paths, so only its owner may read it
    connection = sqlite3.connect(path, timeout=60)
    try:
        with connection:
            connection.execute("CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, size, mtime, hash)")
            yield connection
    finally:
        connection.close()


@functools.cache
def package_hash(package: str, *, data_files: bool = False) -> str:
    """Hash the Python files of a package or module, without importing it.

    Args:
        package: ``echokit.models``; a package of several folders counts with all of them.
        data_files: Whether its other files count too.
    """
    spec = find_spec(package)
    roots = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
    if spec and not roots and spec.origin:
        roots = [Path(spec.origin)]
    hashed = hashlib.blake2b(digest_size=16)
    for root in sorted(roots):
        files = sorted(root.rglob("*" if data_files else "*.py")) if root.is_dir() else [root]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                hashed.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes() + b"\0")
    return hashed.hexdigest()


def distribution_hash(distribution: Distribution | None, package: str) -> str:
    """Hash all code and data of an installed distribution, and its version.

    Args:
        distribution: None for code that was not installed.
        package: A top-level package that counts in any case: an editable installation may not list its packages.
    """
    packages = {package}
    if distribution is not None:
        packages |= set((distribution.read_text("top_level.txt") or "").split())
        packages |= {
            Path(file).parts[0].removesuffix(".py") for file in distribution.files or () if file.suffix == ".py"
        }
    known = sorted(name for name in packages if name.isidentifier())
    version = distribution.version if distribution is not None else None
    return digest([version, {name: package_hash(name, data_files=True) for name in known}])
