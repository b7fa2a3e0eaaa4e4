"""The cache folder: prepared clips, phantom data, hashes. All of it can be recreated, except the pseudonym files."""

from __future__ import annotations

import os
from pathlib import Path


def workspace() -> Path:
    """Return the cache folder, ``$ECHOKIT_CACHE`` or ``.echokit`` in the working directory; create it if missing."""
    folder = Path(os.environ.get("ECHOKIT_CACHE", ".echokit"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
