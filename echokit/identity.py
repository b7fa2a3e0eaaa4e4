"""Identity: what a case is called outside the files that a user names.

A DICOM carries its patient; its path often does too. So a case that comes from one is called by a keyed pseudonym:
the same file has the same name on this machine, and nobody without the key can go back.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import os
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from echokit.errors import EchokitError, VideoError
from echokit.fingerprint import content_hash
from echokit.printable import is_printable
from echokit.workspace import workspace

KEY = "pseudonym.key"
KEY_BYTES = 32
SOURCES = "sources.csv"
SOURCE_COLUMNS = ("case_id", "patient_id", "source")


def pseudonym(kind: str, value: str) -> str:
    """Name something without telling it: ``case-1f0c...``.

    Args:
        kind: ``case`` or ``patient``.
        value: A content hash or a patient identifier.
    """
    named = f"{kind}:{value}".encode(errors="surrogateescape")  # the name of a file may be no UTF-8
    digest = hmac.new(_key(), named, hashlib.sha256).hexdigest()
    return f"{kind}-{digest[:12]}"


def case_ids(paths: Sequence[Path]) -> list[str]:
    """Name the cases of some files, all differently.

    An AVI or MP4 is named by its stem; equal stems get a number. A DICOM, a file that may be one but can not be read,
    and one whose name can not be written in UTF-8 or shown, is named by a pseudonym of its content. Pseudonyms, and all
    the names of files that share a stem, are noted in the table of sources.
    """
    names: list[str] = []
    told: list[tuple[str, str, Path]] = []
    stems = Counter(path.stem for path in paths)
    for path in paths:
        name = path.stem if _may_be_named(path) else _hidden_name(path)
        number = 2
        unique = name
        while unique in names:
            unique, number = f"{name}-{number}", number + 1
        names.append(unique)
        if name != path.stem or stems[path.stem] > 1:
            told.append((unique, "", path))
    remember_sources(told)
    return names


def which_is_which(names: Sequence[str], paths: Sequence[Path]) -> str | None:
    """Say where a person finds the files that ``case_ids`` gave other names; None where it gave none."""
    if all(name == path.stem for name, path in zip(names, paths, strict=True)):
        return None
    return f"which file is which: {workspace() / SOURCES} (for you only: file names may tell who a patient is)"


def _may_be_named(path: Path) -> bool:
    """Whether a file is called what its user calls it: the names of DICOM files, whole or broken, name patients."""
    from echokit.video.reading import video_format

    if not is_printable(path.stem):
        return False
    try:
        return video_format(path) != "DICOM"
    except (VideoError, OSError):
        return path.suffix.lower() in (".avi", ".mp4")


def _hidden_name(path: Path) -> str:
    try:
        return pseudonym("case", content_hash(path))
    except OSError:
        return pseudonym("case", str(path.absolute()))


def remember_sources(rows: Iterable[tuple[str, str, Path]]) -> None:
    """Note whom pseudonyms mean in ``sources.csv`` in the cache folder, readable by its owner only.

    It is the one file that leads from a pseudonym back to a video; what it holds already is kept.

    Args:
        rows: case_id, patient_id (may be empty) and path of each video.
    """
    new = {(case_id, str(path.absolute())): patient_id for case_id, patient_id, path in rows}
    if not new:
        return
    place = workspace() / SOURCES
    with _alone(place.with_suffix(".lock")):
        known: dict[tuple[str, str], str] = {}
        if place.exists():
            with place.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
                known = {(row["case_id"], row["source"]): row["patient_id"] for row in csv.DictReader(file)}
        if new.items() <= known.items():
            return
        temporary = place.with_name(f".{SOURCES}.{os.getpid()}.part")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(SOURCE_COLUMNS)
            writer.writerows((case_id, patient, path) for (case_id, path), patient in {**known, **new}.items())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, place)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one process at a time into the block."""
    import fcntl

    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _key() -> bytes:
    """The key of this machine's cache folder, made where there is none; it appears whole or not at all."""
    place = workspace() / KEY
    if not place.exists():
        with _alone(place.with_suffix(".lock")):
            if not place.exists():
                _write_key(place)
    key = place.read_bytes()
    if len(key) != KEY_BYTES:
        raise EchokitError(
            "the key of the pseudonyms is damaged",
            hint="restore it from a copy; if there is none, delete it: pseudonyms will then be other ones",
            where=str(place),
        )
    return key


def _write_key(place: Path) -> None:
    temporary = place.with_name(f".{KEY}.{os.getpid()}.part")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, place)
