"""The mark of synthetic data, which every copy and every result of it carries."""

from __future__ import annotations

from pathlib import Path

STAMP = "PHANTOM DATA"
PRETRAINED_STAMP = "PHANTOM-PRETRAINED: the starting weights were trained on synthetic hearts"
MARKER = "PHANTOM_DATA.json"


def is_phantom(*paths: Path) -> bool:
    """Return whether one of some paths lies in a folder marked as phantom.

    Links are followed: both their own folders and those of their targets count.
    """
    folders = {folder for path in paths for folder in (path.absolute().parent, path.resolve().parent)}
    candidates = {folder for start in folders for folder in (start, *start.parents)} | set(paths)
    return any((folder / MARKER).is_file() for folder in candidates)
