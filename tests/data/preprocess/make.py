"""Clips that the preprocessor tests use."""

from __future__ import annotations

import numpy as np

from echokit.data.video.clip import Frames


def blobs(count: int = 20, height: int = 64, width: int = 80, *, travel: float = 1.0) -> Frames:
    """A soft disc with speckle that circles over a still gradient: (count, height, width) uint8."""
    rows, columns = np.mgrid[:height, :width]
    phase = 2 * np.pi * np.arange(count) / 10
    y = height / 2 + travel * height / 8 * np.sin(phase)
    x = width / 2 + travel * width / 8 * np.cos(phase)
    speckle = np.random.default_rng(1).integers(0, 60, (2 * height, 2 * width))
    frames = []
    for top, left in zip(y, x, strict=True):
        disc = np.exp(-((rows - top) ** 2 + (columns - left) ** 2) / (2 * (min(height, width) / 8) ** 2))
        moved = speckle[height - int(top) :, width - int(left) :][:height, :width]
        frames.append(disc * (130 + moved) + 40 * columns / width)
    return np.clip(frames, 0, 255).astype(np.uint8)
