"""The mark that synthetic data carries, wherever it is copied to."""

from __future__ import annotations

from pathlib import Path

STAMP = "PHANTOM DATA"
PRETRAINED_STAMP = "PHANTOM-PRETRAINED: the starting weights were trained on synthetic hearts"
MARKER = "PHANTOM_DATA.json"


def is_phantom(root: Path) -> bool:
    """Whether a dataset's directory says that it is synthetic."""
    return (root / MARKER).is_file()


def from_phantom(file: Path) -> bool:
    """Whether a file lies somewhere below a directory that says that it is synthetic."""
    return any(is_phantom(folder) for folder in file.absolute().parents)
