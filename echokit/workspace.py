"""Where echokit keeps what it can make again: prepared clips, phantom data, remembered hashes."""

from __future__ import annotations

import os
from pathlib import Path


def workspace() -> Path:
    """The folder ``$ECHOKIT_CACHE``, or ``.echokit`` in the working directory; made where missing."""
    folder = Path(os.environ.get("ECHOKIT_CACHE", ".echokit"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
