"""The mark that synthetic data carries, wherever it is copied to."""

from __future__ import annotations

from pathlib import Path

STAMP = "PHANTOM DATA"
PRETRAINED_STAMP = "PHANTOM-PRETRAINED: the starting weights were trained on synthetic hearts"
MARKER = "PHANTOM_DATA.json"


def is_phantom(*places: Path) -> bool:
    """Whether one of some files and folders is, or lies anywhere below, a directory that says that it is synthetic.

    Links are followed: what they lead to counts as well as where they are.
    """
    folders = {folder for place in places for folder in (place.absolute().parent, place.resolve().parent)}
    ways = {way for folder in folders for way in (folder, *folder.parents)} | set(places)
    return any((way / MARKER).is_file() for way in ways)
