"""Clip: one decoded ultrasound video and what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]


class InvalidClip(TypeError, ValueError):
    """The frames or times of a clip have a wrong shape or type."""


@dataclass(frozen=True, slots=True)
class Region:
    """An ultrasound region of the picture, as DICOM describes it.

    Attributes:
        x0, y0, x1, y1: Pixel bounds; x1 and y1 are exclusive.
        spacing: Height and width of a pixel in mm, or None if unknown.
        data_type: DICOM (0018,6014): 1 tissue, 2 colour flow, and so on; 0 where unknown.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    spacing: tuple[float, float] | None = None
    data_type: int = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """A derived stream of a clip, stored compactly: real values are ``data * scale``.

    Attributes:
        data: (C, T', H, W) int8.
        scale: Real units per step of ``data`` (for flow: pixels per frame).
    """

    data: npt.NDArray[np.int8]
    scale: float


@dataclass(frozen=True, slots=True)
class Clip:
    """Grey frames of one video, with timing, geometry, streams and history.

    A Clip is never changed in place: a preprocessor returns ``dataclasses.replace(clip, frames=...)``.

    Attributes:
        frames: (T, H, W) uint8 grey frames.
        fps: Frames per second, or None if unknown.
        times: (T,) float64 seconds from the first frame, or None if frames are evenly spaced at ``fps``.
        spacing: Height and width of a pixel in mm, or None if unknown.
        regions: Ultrasound regions of the picture, if known.
        streams: Derived streams by name (``flow``).
        source: What was read: container and codec or transfer syntax. Never a path or an identifier.
        notes: What was short, corrupt, or passed through unchanged; shown to the user and counted.
        damaged: Whether frames that the file should hold are missing or corrupt; a note lists them.
    """

    frames: Frames
    fps: float | None = None
    times: npt.NDArray[np.float64] | None = None
    spacing: tuple[float, float] | None = None
    regions: tuple[Region, ...] = ()
    streams: Mapping[str, Stream] = field(default_factory=lambda: MappingProxyType({}))
    source: str = ""
    notes: tuple[str, ...] = ()
    damaged: bool = False

    def __post_init__(self) -> None:
        if self.frames.ndim != 3 or self.frames.dtype != np.uint8:
            raise InvalidClip(f"Clip.frames must be (T, H, W) uint8, not {self.frames.shape} {self.frames.dtype}")
        if self.times is not None and self.times.shape != (len(self.frames),):
            raise InvalidClip(f"Clip.times has {self.times.shape} values for {len(self.frames)} frames")

    def __len__(self) -> int:
        return len(self.frames)
