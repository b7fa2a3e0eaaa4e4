"""The mark of synthetic data, which every copy and every result of it carries."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

STAMP = "PHANTOM DATA"
PRETRAINED_STAMP = "PHANTOM-PRETRAINED: the starting weights were trained on synthetic hearts"
MARKER = "PHANTOM_DATA.json"


def is_phantom(*paths: Path) -> bool:
    """Return whether one of some paths lies in a folder marked as phantom.

    Links are followed: both their own folders and those of their targets count.
    """
    return any(_marks(paths))


def all_phantom(*paths: Path) -> bool:
    """Return whether every one of some paths lies in a folder marked as phantom."""
    return all(_marks(paths))


def _marks(paths: tuple[Path, ...]) -> Iterator[bool]:
    @functools.cache
    def is_inside(folder: Path) -> bool:
        return any((parent / MARKER).is_file() for parent in (folder, *folder.parents))

    @functools.cache
    def is_marked(folder: Path) -> bool:
        return is_inside(folder.absolute()) or is_inside(folder.resolve())

    for path in paths:
        target = path.is_symlink() and is_marked(path.resolve().parent)
        yield target or is_marked(path.parent) or (path / MARKER).is_file()
