"""The cache folder of this user: prepared clips, phantoms, hashes, and the files of the pseudonyms."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path

VARIABLE = "ECHOKIT_CACHE"


def named_cache_folder() -> Path:
    """Return the cache folder, whether or not it exists.

    ``$ECHOKIT_CACHE``, or one folder for each user: the system's place for data, not the one for caches, because
    programs that clean up would delete the key of the pseudonyms.
    """
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser().absolute() if named else user_data_path("echokit", appauthor=False)


def cache_folder_path() -> Path:
    """Return the cache folder, and create it if it is missing.

    Only its owner can read the folder of a user; ``$ECHOKIT_CACHE`` may be shared.
    """
    folder = named_cache_folder()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o777 if os.environ.get(VARIABLE) else 0o700, exist_ok=True)
    return folder
