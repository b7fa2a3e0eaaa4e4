"""The cache folder: prepared clips, phantoms, hashes and pseudonym files."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder_path() -> Path:
    """Return the cache folder, and create it if it is missing.

    ``$ECHOKIT_CACHE``, or ``.echokit`` in the working directory.
    """
    folder = Path(os.environ.get("ECHOKIT_CACHE", ".echokit"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
