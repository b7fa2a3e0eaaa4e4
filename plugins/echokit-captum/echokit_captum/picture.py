"""Overlays on gray frames: evidence for the positive class in red, against it in blue."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from echokit_captum.attribution import Map

N_FRAMES = 6  # frames on the sheet
MIN_SIDE = 224  # pixels; minimum length of the longer side of an overlay


def overlay(frames: np.ndarray, heat: np.ndarray, *, stamp: str | None = None) -> np.ndarray:
    """Overlay a map on frames, enlarged to a readable size.

    Args:
        frames: (T, H, W) uint8.
        heat: (T, H, W) float, above 0 for the positive class.
        stamp: Text at the bottom, such as PHANTOM DATA.

    Returns:
        (T, H', W', 3) uint8 RGB with even sides.
    """
    import cv2

    scaled = _scaled(heat)
    factor = max(1, -(-MIN_SIDE // max(frames.shape[1:])))
    size = (frames.shape[2] * factor // 2 * 2, frames.shape[1] * factor // 2 * 2)
    images = []
    for frame, warm in zip(frames, scaled, strict=True):
        grey = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR).astype(np.float32)[..., None]
        large = cv2.resize(warm, size, interpolation=cv2.INTER_LINEAR)[..., None]
        colour = np.where(large > 0, np.float32([255, 70, 40]), np.float32([50, 120, 255]))
        strength = np.abs(large) * 0.75
        image = (grey * (1 - strength) + colour * strength).clip(0, 255).astype(np.uint8)
        if stamp:
            image = np.ascontiguousarray(image)
            cv2.putText(image, stamp, (6, size[1] - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 190, 60), 1, cv2.LINE_AA)
        images.append(image)
    return np.stack(images)


def write_sheet(
    path: Path, frames: np.ndarray, maps: Mapping[str, Map], *, title: str, stamp: str | None = None
) -> None:
    """Write an image of some frames with each map, and the evidence of each frame over time.

    Args:
        path: A PNG file.
        frames: (T, H, W) uint8.
        maps: Maps by name of the method.
        title: Title of the image.
        stamp: Text such as PHANTOM DATA, or None.
    """
    from matplotlib.figure import Figure

    shown = np.unique(np.linspace(0, len(frames) - 1, N_FRAMES).round().astype(int))
    rows = 1 + len(maps)
    figure = Figure(figsize=(2.0 * len(shown), 2.1 * rows + 2.2), layout="constrained")
    grid = figure.add_gridspec(rows + 1, len(shown))
    map_rows = [("frame", None), *maps.items()]
    for row, (name, map_) in enumerate(map_rows):
        images = frames if map_ is None else overlay(frames, map_.heat)
        for column, number in enumerate(shown):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(images[number], cmap="gray" if map_ is None else None, vmin=0, vmax=255)
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(f"frame {number}", fontsize=9)
            if column == 0:
                axes.set_ylabel(name, fontsize=9)
    axes = figure.add_subplot(grid[rows, :])
    for name, map_ in maps.items():
        total = map_.heat.sum(axis=(1, 2))
        axes.plot(total / max(np.abs(total).max(), 1e-12), label=name)
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.set_xlabel("frame")
    axes.set_ylabel("evidence (scaled)", fontsize=9)
    axes.legend(fontsize=8)
    prefix = f"{stamp}\n" if stamp else ""
    figure.suptitle(
        f"{prefix}{title}\nred: for this class, blue: against it; shows what the model used, not a cause", fontsize=10
    )
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _scaled(heat: np.ndarray) -> np.ndarray:
    """Scale to -1..1 by the 99.5th percentile of the whole clip, so that frames are comparable."""
    top = float(np.percentile(np.abs(heat), 99.5))
    return (heat / top).clip(-1, 1).astype(np.float32) if top > 0 else np.zeros(heat.shape, np.float32)
