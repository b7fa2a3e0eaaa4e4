"""SectorMask: keep the fan of the ultrasound machine, blank everything around it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from echokit.data.preprocess.frames import replace_frames
from echokit.data.preprocess.sector import NOISY, Area, fan_of, fills, flicker_of, hull, shrink
from echokit.data.video.clip import Clip

TISSUE = 1  # DICOM (0018,6014)


class SectorMask:
    """Keep the fan in which the machine draws echoes, and set the rest to zero.

    The fan is the convex hull of the largest area that flickers: echoes change from frame to frame, text and rulers do
    not, and traces and numbers do only now and then. Of a still clip it is the largest area that is lit. Where the
    DICOM names a region of tissue, only what lies inside it counts. Where the recording has noise all over, only
    echoes that are louder count, and a note is added.

    A clip in which no fan is found, or one that fills the picture, passes unchanged, with a note; so does one of which
    the wanted tags are missing.

    Args:
        keep: ``fan``: its shape, inside the DICOM's region if there is one. ``region``: the rectangle of the
            DICOM's region of tissue as it is, which may hold text in its corners.
    """

    def __init__(self, *, keep: Literal["fan", "region"] = "fan") -> None:
        self.keep = keep

    def __call__(self, clip: Clip) -> Clip:
        """Return the clip with zeros outside the fan, or unchanged with a note."""
        region, noisy = self.find(clip)
        if region is None:
            missing = "no fan" if self.keep == "fan" else "no region of tissue in the file"
            return replace(clip, notes=(*clip.notes, f"sector_mask found {missing}: passed unmasked"))
        if fills(region) if self.keep == "fan" else region.all():
            return replace(clip, notes=(*clip.notes, "sector_mask: the sector fills the picture, passed unmasked"))
        notes = (*clip.notes, f"sector_mask: {NOISY}") if noisy else clip.notes
        return replace_frames(clip, clip.frames * region, by="sector_mask", notes=notes)

    def region(self, clip: Clip) -> Area | None:
        """Return the (H, W) bool sector, or None if there is none."""
        return self.find(clip)[0]

    def find(self, clip: Clip) -> tuple[Area | None, bool]:
        """Return the (H, W) bool sector or None, and whether noise may have cut it."""
        tagged = _tissue(clip)
        if self.keep == "region":
            return tagged, False
        frames = clip.frames if tagged is None else clip.frames * tagged
        small = shrink(frames)
        flicker = flicker_of(frames, small) if len(small) > 1 else None
        fan = fan_of(small, flicker)
        noisy = flicker is not None and flicker.noise > 0
        if fan is None:
            return None, noisy
        found = hull(fan, (frames.shape[1], frames.shape[2]))
        return found if tagged is None or found is None else found & tagged, noisy


def _tissue(clip: Clip) -> Area | None:
    """The rectangles that the DICOM calls tissue, together."""
    regions = [region for region in clip.regions if region.data_type == TISSUE]
    if not regions:
        return None
    inside = np.zeros(clip.frames.shape[1:], bool)
    for region in regions:
        inside[region.y0 : region.y1, region.x0 : region.x1] = True
    return inside
