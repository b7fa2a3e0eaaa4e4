"""Pseudonyms of cases and patients, keyed by a secret of this machine.

A DICOM carries its patient, and its path often does too. So a case that comes from one is named by a keyed pseudonym:
the same file has the same name on this machine, and without the key nothing leads back to the patient.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from filelock import FileLock

from echokit.errors import EchokitError, VideoError
from echokit.system.cache_folder import cache_folder_path
from echokit.system.csv_cells import unguard, write_rows
from echokit.system.files import write_bytes
from echokit.system.hashing import content_hash
from echokit.system.terminal_text import is_printable

KEY = "pseudonym.key"
KEY_BYTES = 32
SOURCES = "sources.csv"
SOURCE_COLUMNS = ("case_id", "patient_id", "source")


def pseudonym(kind: str, value: str) -> str:
    """Compute the pseudonym of a case or a patient: ``case-1f0c...``.

    Args:
        kind: ``case`` or ``patient``.
        value: A content hash or a patient identifier.
    """
    message = f"{kind}:{value}".encode(errors="surrogateescape")  # the name of a file may be no UTF-8
    digest = hmac.new(_key(), message, hashlib.sha256).hexdigest()
    return f"{kind}-{digest[:12]}"


def case_ids(paths: Sequence[Path]) -> list[str]:
    """Derive a unique case identifier from each file.

    An AVI or MP4 keeps its stem; equal stems get a number. A DICOM, a file that may be one but cannot be read, and a
    file whose name is not printable UTF-8 get a pseudonym of their content. Pseudonyms, and the identifiers of all
    files that share a stem, are recorded in the table of sources.
    """
    names: list[str] = []
    recorded: list[tuple[str, str, Path]] = []
    stems = Counter(path.stem for path in paths)
    for path in paths:
        name = path.stem if _keeps_name(path) else _hidden_name(path)
        number = 2
        unique = name
        while unique in names:
            unique, number = f"{name}-{number}", number + 1
        names.append(unique)
        if name != path.stem or stems[path.stem] > 1:
            recorded.append((unique, "", path))
    record_sources(recorded)
    return names


def file_notes(names: Sequence[str], paths: Sequence[Path], others: int) -> list[str]:
    """Say where renamed files are listed, and how many files are not videos.

    Args:
        names: Case of each video.
        paths: Its file.
        others: Number of files that are not videos.
    """
    notes = []
    if any(name != path.stem for name, path in zip(names, paths, strict=True)):
        place = cache_folder_path() / SOURCES
        notes.append(f"which file is which: {place} (for you only: file names may identify a patient)")
    if others == 1:
        notes.append("1 file is not a video and was not read")
    elif others:
        notes.append(f"{others} files are not videos and were not read")
    return notes


def _keeps_name(path: Path) -> bool:
    """Return whether a case may be named like its file.

    Names of files whose format can name a patient (DICOM), broken ones too, identify patients.
    """
    from echokit.data.video.read import can_name_patient

    if not is_printable(path.stem):
        return False
    try:
        return not can_name_patient(path)
    except (VideoError, OSError):
        return path.suffix.lower() in (".avi", ".mp4")


def _hidden_name(path: Path) -> str:
    try:
        return pseudonym("case", content_hash(path))
    except OSError:
        return pseudonym("case", str(path.absolute()))


def record_sources(rows: Iterable[tuple[str, str, Path]]) -> None:
    """Add pseudonyms to ``sources.csv``, which only its owner can read.

    It is the one file that leads from a pseudonym back to a video. Existing rows stay.

    Args:
        rows: case_id, patient_id (may be empty) and path of each video.
    """
    new = {(case_id, str(path.absolute())): patient_id for case_id, patient_id, path in rows}
    if not new:
        return
    table = cache_folder_path() / SOURCES
    with _lock(table):
        old: dict[tuple[str, str], str] = {}
        if table.exists():
            with table.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
                cells = ({name: unguard(cell) for name, cell in row.items()} for row in csv.DictReader(file))
                old = {(row["case_id"], row["source"]): row["patient_id"] for row in cells}
        if new.items() <= old.items():
            return
        text = io.StringIO()
        lines = ((case_id, patient, source) for (case_id, source), patient in {**old, **new}.items())
        write_rows(text, [SOURCE_COLUMNS, *lines])
        write_bytes(table, text.getvalue().encode(errors="surrogateescape"), private=True)


def _key() -> bytes:
    """Read the key of this machine's cache folder; create it on first use."""
    path = cache_folder_path() / KEY
    if not path.exists():
        with _lock(path):
            if not path.exists():
                write_bytes(path, secrets.token_bytes(KEY_BYTES), private=True)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise EchokitError(
            "the key of the pseudonyms is damaged",
            hint="restore it from a copy; if there is none, delete it: pseudonyms will then be different",
            where=str(path),
            code="identity.damaged_key",
        )
    return key


def _lock(path: Path) -> FileLock:
    """Return a lock that lets one process at a time change a file."""
    return FileLock(path.with_suffix(".lock"), mode=0o600)
