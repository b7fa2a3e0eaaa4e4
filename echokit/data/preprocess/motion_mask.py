"""MotionMask: keep the moving heart, black out still pixels such as text, scales and names."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from echokit.data.preprocess.flow_estimation import Method, mean_magnitude
from echokit.data.preprocess.frames import replace_frames
from echokit.data.preprocess.sector import (
    NOISY,
    Area,
    Flicker,
    disc,
    fan_of,
    fills,
    flicker_of,
    hull,
    largest,
    shrink,
    thick,
)
from echokit.data.video.clip import Clip, Frames

# All for "auto"; lengths are shares of the height of the fan.
SHARE = 0.2  # of the 95th percentile of the motion in the fan
CHANGE_SHARE = 0.2  # of the 95th percentile of the change in brightness in the fan
STILL = 0.02  # pixels per frame of the shrunk picture: less is noise of the flow
QUIET = 1.0  # grey levels per frame: less is noise of the picture
PATCH = 0.1  # of the largest area that moves: a smaller one apart from it is a number, not a wall
MARGIN = 0.03  # kept around what moves
FULL = "the sector fills the picture, so that writing is kept where it lies among what moves"


class MotionMask:
    """Keep the convex hull of the moving tissue, and set the rest to zero.

    Motion is the mean length of the optical flow between consecutive frames over the whole clip. With a number as
    threshold these are exactly the steps of the study, whose own value was 3.5 pixels per frame: a value that depends
    on the size and the rate of the frames, and keeps next to nothing of many clips.

    ``auto`` measures on frames shrunk to 256 pixels and only inside the fan (see ``sector_mask``), so that neither
    text nor a running ECG trace nor a changing number counts. There a pixel moves if its motion is above 20 % of the
    clip's 95th percentile and so is the change of its brightness: shares, which depend on neither the size of the
    picture, its rate nor its gain, over a floor for noise. The hull then reaches up to the probe, because the apex
    moves least and in a weak heart hardly at all.

    In a noisy recording, only echoes louder than the noise count, and a note is added. A clip in which
    nothing moves passes unchanged, with a note; another note is added if the fan fills the picture, as it also seems to
    do in noise that is as loud as the echoes.

    Args:
        threshold: Mean motion in pixels per frame above which a pixel counts as moving, or ``auto``.
        method: Optical flow: ``farneback`` with the settings of the study, or ``dis``, about ten times faster; null
            takes ``dis`` with ``auto`` and ``farneback`` with a number.
    """

    def __init__(
        self,
        *,
        threshold: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto",
        method: Method | None = None,
    ) -> None:
        self.threshold = threshold
        self.method: Method = method or ("dis" if threshold == "auto" else "farneback")

    def __call__(self, clip: Clip) -> Clip:
        """Return the clip with zeros outside the hull, or unchanged with a note."""
        region, doubts = self._find(clip.frames)
        if region is None:
            return replace(clip, notes=(*clip.notes, "motion_mask found nothing that moves: passed unmasked"))
        notes = (*clip.notes, *(f"motion_mask: {doubt}" for doubt in doubts))
        return replace_frames(clip, clip.frames * region, by="motion_mask", notes=notes)

    def region(self, frames: Frames) -> Area | None:
        """Return the (H, W) bool hull of what moves, or None if nothing does.

        Args:
            frames: (T, H, W) uint8.
        """
        return self._find(frames)[0]

    def _find(self, frames: Frames) -> tuple[Area | None, list[str]]:
        """Return the region, and what makes it doubtful."""
        if len(frames) < 2:
            return None, []
        size = (frames.shape[1], frames.shape[2])
        if self.threshold != "auto":
            return hull(mean_magnitude(frames, self.method) > self.threshold), []
        small = shrink(frames)
        flicker = flicker_of(frames, small)
        fan = fan_of(small, flicker)
        if fan is None:
            return None, []
        moving = _moving(small, flicker, fan, self.method)
        doubts = [note for note, holds in ((NOISY, flicker.noise > 0), (FULL, fills(fan))) if holds]
        return (None if moving is None else hull(moving, size)), doubts


def _moving(frames: Frames, flicker: Flicker, fan: Area, method: Method) -> Area | None:
    """Return the part of the fan around the tissue that moves, (H, W) bool."""
    import cv2

    # Flow spreads into the dark around tissue and under still text; brightness does not.
    motion = mean_magnitude(frames, method)
    enough = max(SHARE * float(np.percentile(motion[fan], 95)), STILL)
    bright = max(CHANGE_SHARE * float(np.percentile(flicker.mean[fan], 95)), QUIET, 2 * flicker.noise)
    rows = np.flatnonzero(fan.any(axis=1))
    height = int(rows[-1] - rows[0] + 1)
    moving = largest(thick(fan & (motion > enough) & (flicker.mean > bright), height), PATCH)
    if not moving.any():
        return None
    moving[rows[0]] |= fan[rows[0]]
    around = hull(moving)
    if around is None:
        return None
    return np.asarray((cv2.dilate(around.astype(np.uint8), disc(2 * MARGIN * height)) > 0) & fan)
