"""Shape of the clips that a backbone is built for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InputShape:
    """Shape of one stream without the batch: (channels, frames, height, width)."""

    channels: int
    frames: int
    height: int
    width: int
