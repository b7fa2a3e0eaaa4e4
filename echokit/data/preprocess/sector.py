"""The fan: the part of the picture in which an ultrasound machine draws echoes.

Echoes flicker. Inside the fan nearly every pixel changes between nearly every two frames, if only by noise; text and
rulers never do, and a running ECG trace or a changing number touches each of its pixels now and then. So the share of
the pairs of frames in which a pixel changes shows the fan, whatever the brightness, the size and the rate. Where the
recording has noise all over, a pixel changes only if it does so by more than the noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.data.preprocess.noise import ABOVE, noise_of
from echokit.data.video.clip import Frames

Area = npt.NDArray[np.bool_]

SIDE = 256
"""Pixels of the longer side of the frames that are measured."""
_RESTLESS = 0.2  # share of the pairs of frames in which a pixel of the fan changes
_PASSING = 2  # pairs of frames in which a pixel changes because something passes over it once
_LIT = 3  # grey level above which a pixel of a still picture is not background
_GAP = 0.03  # of the longer side: narrower gaps are closed
_THIN = 0.06  # of the longer side: what is narrower is a trace or a character, not the fan
_SMALLEST = 0.02  # of the picture: what is smaller is not the fan
_FULL = 0.95  # of the picture: what is larger leaves no part beside the fan
NOISY = "there is noise all over the picture: of the fan, what is as weak as the noise may be cut off"


@dataclass(frozen=True, slots=True)
class Flicker:
    """How the pixels of a clip change from one frame to the next.

    Attributes:
        share: (H, W) float32 share of the pairs of frames in which the pixel changes by more than noise.
        mean: (H, W) float32 mean change in grey levels.
        noise: Mean change in grey levels of what is still; 0 of a clean recording.
        pairs: How many pairs of frames there are.
    """

    share: npt.NDArray[np.float32]
    mean: npt.NDArray[np.float32]
    noise: float
    pairs: int


def shrink(frames: Frames) -> Frames:
    """Average frames down until the longer side is 256 pixels.

    Smaller ones are unchanged.
    """
    import cv2

    height, width = frames.shape[1:]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return frames
    small = np.empty((len(frames), max(round(height * scale), 1), max(round(width * scale), 1)), np.uint8)
    for number, frame in enumerate(frames):
        cv2.resize(frame, small.shape[:0:-1], dst=small[number], interpolation=cv2.INTER_AREA)
    return small


def flicker_of(frames: Frames, small: Frames) -> Flicker:
    """Measure how the pixels change.

    Args:
        frames: (T, H, W) uint8, at least two frames.
        small: The same, shrunk.
    """
    import cv2

    noise = noise_of(frames, (small.shape[1], small.shape[2]))
    floor = np.ceil(ABOVE * noise)
    changed = np.zeros(small.shape[1:], np.float32)
    total = np.zeros(small.shape[1:], np.float32)
    for first, second in pairwise(small):
        difference = cv2.absdiff(first, second)
        total += difference
        changed += difference > floor
    pairs = len(small) - 1
    return Flicker(changed / np.float32(pairs), total / np.float32(pairs), noise, pairs)


def fan_of(frames: Frames, flicker: Flicker | None) -> Area | None:
    """Find the fan: the convex hull of the largest thick area that flickers.

    In a still picture, of the area that is lit.

    Args:
        frames: (T, H, W) uint8, shrunk.
        flicker: Of these frames; None for a single frame.

    Returns:
        (H, W) bool, or None if there is no such area.
    """
    if flicker is not None:
        # Of a few pairs, two are a large share already; but a fan changes in them all.
        share = min(max(_RESTLESS, (_PASSING + 0.5) / flicker.pairs), 1 - 0.5 / flicker.pairs)
        area = largest(thick(flicker.share > share))
        if area.mean() >= _SMALLEST:
            return hull(area)
        if flicker.noise:
            return None  # a moving picture, and its echoes are too weak to be separated from the noise
    area = largest(thick(frames.mean(0) > _LIT))
    return hull(area) if area.mean() >= _SMALLEST else None


def fills(area: Area) -> bool:
    """Return whether an area covers almost the whole picture.

    The fan then cannot be separated from its surroundings.
    """
    return bool(area.mean() >= _FULL)


def thick(area: Area, unit: float | None = None) -> Area:
    """Close narrow gaps and drop what is thin.

    Args:
        area: (H, W) bool.
        unit: Length in pixels that gaps and thickness are shares of; the longer side by default.
    """
    import cv2

    unit = float(max(area.shape)) if unit is None else unit
    # A margin, so that what touches the edge of the picture is not worn away there.
    edge = int(unit * max(_GAP, _THIN)) + 1
    padded = np.pad(area.astype(np.uint8), edge)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc(unit * _GAP))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, disc(unit * _THIN))
    return np.asarray(opened[edge:-edge, edge:-edge] > 0)


def largest(area: Area, share: float = 1) -> Area:
    """The largest connected part, and those that have at least this share of its size."""
    import cv2

    count, labels, boxes, _ = cv2.connectedComponentsWithStats(area.astype(np.uint8))
    if count < 2:
        return np.zeros(area.shape, bool)
    sizes = boxes[:, cv2.CC_STAT_AREA].copy()
    sizes[0] = 0  # the background
    return np.asarray((sizes >= share * sizes.max())[labels] & area, bool)


def hull(area: Area, size: tuple[int, int] | None = None) -> Area | None:
    """Fill the convex hull of an area, scaled to a picture of ``size``.

    None if it has fewer than three pixels.
    """
    import cv2

    rows, columns = np.nonzero(area)
    if len(rows) < 3:
        return None
    size = size or (area.shape[0], area.shape[1])
    points: Any = cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.int32))
    if area.shape != size:
        # From pixel centre to pixel centre.
        scale = np.array([size[1] / area.shape[1], size[0] / area.shape[0]])
        points = np.rint((points + 0.5) * scale - 0.5).astype(np.int32)
    filled = np.zeros(size, np.uint8)
    cv2.fillConvexPoly(filled, points, 1)
    return filled > 0


def disc(diameter: float) -> Any:
    """A round structuring element."""
    import cv2

    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(diameter / 2) + 1,) * 2)
