"""Clips on which preprocessors are checked: an ordinary one and edge cases."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from echokit.data.video.clip import Clip, Region

Frames = npt.NDArray[np.uint8]


def beating(count: int, height: int, width: int) -> Frames:
    """Draw a beating ring in a sector with speckle: (count, H, W) uint8."""
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    radius = np.hypot(rows, columns - width / 2)
    angle = np.abs(np.arctan2(columns - width / 2, rows + 1))
    fan = (radius < 0.97 * height) & (angle < np.pi / 4)
    centre = np.hypot(rows - 0.55 * height, columns - width / 2)
    speckle = np.random.default_rng(1).random((height, width))
    frames = []
    for number in range(count):
        ring = min(height, width) * (0.2 + 0.05 * np.sin(2 * np.pi * number / 10))
        wall = np.exp(-(((centre - ring) / (0.06 * min(height, width) + 1)) ** 2))
        frames.append(fan * (30 + 170 * wall * (0.5 + speckle) + 20 * speckle))
    video: Frames = np.clip(frames, 0, 255).astype(np.uint8)
    return video


def clips() -> dict[str, Clip]:
    """Return clips by name; a preprocessor must accept ``beating``.

    It may reject the others with a VideoError.
    """
    black = np.zeros((6, 40, 44), np.uint8)
    shapes = {
        "beating": beating(12, 64, 80),
        "one frame": beating(1, 64, 80),
        "two frames": beating(2, 64, 80),
        "odd": beating(7, 37, 53),
        "black": black,
        "white": np.full_like(black, 255),
        "still": np.repeat(beating(1, 50, 60), 6, axis=0),
        "narrow": beating(6, 90, 11),
        "tiny": beating(4, 8, 8),
        "noise": np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8),
    }
    return {name: _clip(frames) for name, frames in shapes.items()}


def _clip(frames: Frames) -> Clip:
    frames.flags.writeable = False  # writing into the input raises an exception
    height, width = frames.shape[1:]
    region = Region(0, 0, width, height, (0.4, 0.4), 1)
    return Clip(frames, fps=50.0, spacing=(0.4, 0.4), regions=(region,), source="made", notes=("first",))
