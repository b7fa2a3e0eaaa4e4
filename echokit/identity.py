"""Identity: what a case is called outside the files that a user names.

A DICOM carries its patient; its path often does too. So a case that comes from one is called by a keyed pseudonym:
the same file has the same name on this machine, and nobody without the key can go back.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from echokit.errors import VideoError
from echokit.fingerprint import content_hash
from echokit.workspace import workspace

KEY = "pseudonym.key"


def pseudonym(kind: str, value: str) -> str:
    """Name something without telling it: ``case-1f0c...``.

    Args:
        kind: ``case`` or ``patient``.
        value: A content hash or a patient identifier.
    """
    digest = hmac.new(_key(), f"{kind}:{value}".encode(), hashlib.sha256).hexdigest()
    return f"{kind}-{digest[:12]}"


def case_ids(paths: Sequence[Path]) -> list[str]:
    """Name the cases of some files, all differently.

    A DICOM is named by a pseudonym of its content, any other file by its stem; equal stems get a number.
    """
    from echokit.video.reading import video_format

    names: list[str] = []
    for path in paths:
        name = path.stem
        try:
            if video_format(path) == "DICOM":
                name = pseudonym("case", content_hash(path))
        except (VideoError, OSError):
            pass  # it can not be read: the reader says so under the name that the user gave
        number = 2
        unique = name
        while unique in names:
            unique, number = f"{name}-{number}", number + 1
        names.append(unique)
    return names


def _key() -> bytes:
    place = workspace() / KEY
    try:
        descriptor = os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return place.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        key = secrets.token_bytes(32)
        file.write(key)
    return key
