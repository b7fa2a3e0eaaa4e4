"""MotionMask: keep what beats, blank the still picture around it: interface text, scales, names."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from echokit.preprocess.flow import Method, mean_magnitude
from echokit.preprocess.frames import replace_frames
from echokit.video.clip import Clip, Frames

if TYPE_CHECKING:
    Region = npt.NDArray[np.bool_]

# All for "auto". Lengths are shares of the longer side.
SIDE = 256  # pixels, after shrinking
SHARE = 0.12  # of the 99.5th percentile of the motion: keeps the heart and drops still text on real clips
STILL = 1e-4  # motion per frame: less is numerical noise of the flow
CHANGE = 1.0  # mean grey levels from frame to frame: less is compression noise
PINHOLE = 0.02  # narrower gaps are closed
THIN = 0.06  # narrower than this is a trace or a character, not the heart


class MotionMask:
    """Keep the convex hull of the pixels that move, and set everything outside to zero.

    Motion is the mean length of the optical flow between consecutive frames over the whole clip. With a number as
    threshold these are exactly the steps of the study, whose own value was 3.5 pixels per frame: a value that depends
    on the size and the rate of the frames, and keeps next to nothing of many clips. ``auto`` measures on frames shrunk
    to 256 pixels, takes 12 % of the 99.5th percentile of the motion as threshold, lets only pixels count that also
    change in brightness, ignores thin lines (an ECG trace, a changing number), and encloses the largest moving area.

    A clip in which fewer than three pixels move passes unchanged, with a note.

    Args:
        threshold: Mean motion in pixels per frame above which a pixel counts as moving, or ``auto``.
        method: Optical flow: ``farneback`` with the settings of the study, or ``dis``, faster and coarser.
    """

    def __init__(
        self,
        *,
        threshold: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto",
        method: Method = "farneback",
    ) -> None:
        self.threshold = threshold
        self.method = method

    def __call__(self, clip: Clip) -> Clip:
        """Return the clip with zeros outside the hull, or unchanged with a note."""
        region = self.region(clip.frames)
        if region is None:
            return replace(clip, notes=(*clip.notes, "motion_mask found nothing that moves: passed unmasked"))
        return replace_frames(clip, np.where(region, clip.frames, np.uint8(0)), by="motion_mask")

    def region(self, frames: Frames) -> Region | None:
        """Return the (H, W) bool hull of what moves, or None where fewer than three pixels do.

        Args:
            frames: (T, H, W) uint8.
        """
        if len(frames) < 2:
            return None
        if self.threshold == "auto":
            moving = _moving(_shrink(frames), self.method)
        else:
            moving = mean_magnitude(frames, self.method) > self.threshold
        return _hull(moving, (frames.shape[1], frames.shape[2]))


def _shrink(frames: Frames) -> Frames:
    """Average frames down until the longer side is 256; smaller ones are left as they are."""
    import cv2

    height, width = frames.shape[1:]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return frames
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]).astype(np.uint8)


def _moving(frames: Frames, method: Method) -> Region:
    """Return the largest connected area of moving tissue."""
    import cv2

    # Flow spreads into the black around the picture and under still text; brightness does not.
    change = np.zeros(frames.shape[1:], np.float64)
    for first, second in pairwise(frames):
        change += cv2.absdiff(first, second)
    tissue = _largest_thick(change / (len(frames) - 1) > CHANGE)
    motion = mean_magnitude(frames, method) * tissue
    threshold = max(SHARE * float(np.percentile(motion, 99.5)), STILL * max(frames.shape[1:]))
    return _largest_thick(motion > threshold)


def _largest_thick(area: Region) -> Region:
    """Close pinholes, drop what is thin, and return the largest connected part that is left."""
    import cv2

    side = max(area.shape)
    closed = cv2.morphologyEx(area.astype(np.uint8), cv2.MORPH_CLOSE, _disc(side * PINHOLE))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, _disc(side * THIN))
    count, labels, sizes, _ = cv2.connectedComponentsWithStats(opened)
    if count < 2:
        return np.zeros(area.shape, bool)
    return np.asarray(labels == 1 + int(np.argmax(sizes[1:, cv2.CC_STAT_AREA])), bool)


def _disc(diameter: float) -> Any:
    import cv2

    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(diameter / 2) + 1,) * 2)


def _hull(moving: Region, size: tuple[int, int]) -> Region | None:
    """Fill the convex hull of the moving pixels, scaled to frames of ``size``."""
    import cv2

    rows, columns = np.nonzero(moving)
    if len(rows) < 3:
        return None
    points: Any = cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.int32))
    if moving.shape != size:
        # From pixel centre to pixel centre.
        scale = np.array([size[1] / moving.shape[1], size[0] / moving.shape[0]])
        points = np.rint((points + 0.5) * scale - 0.5).astype(np.int32)
    filled = np.zeros(size, np.uint8)
    cv2.fillConvexPoly(filled, points, 1)
    return filled > 0
