"""FanMask: keep the ultrasound sector and set everything outside it to zero."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from echokit import Clip, VideoError


class FanMask:
    """Keep the ultrasound sector, bounded by two straight edges and by a near and a far arc.

    The sector is found in the mean image of the clip, so that no motion is needed and one frame is enough. A line is
    fitted to each edge, and the two arcs are centred on the intersection of the lines. Dark parts of the sector are
    therefore kept, unlike with a mask of bright or moving pixels.

    A clip without a sector (a linear probe, a Doppler trace, an image that fills the frame) is returned unchanged,
    with a note.

    Args:
        margin: Margin around the sector, as a share of its depth.
    """

    def __init__(self, *, margin: Annotated[float, Field(ge=0, le=0.2)] = 0.01) -> None:
        self.margin = margin

    def __call__(self, clip: Clip) -> Clip:
        """Return the clip with zeros outside the sector, or unchanged with a note.

        Raises:
            VideoError: The clip already has a stream that was derived from the frames.
        """
        from echokit_sector_mask.fan import find_fan

        if clip.streams:
            raise VideoError(
                "fan_mask must not change frames after a stream was derived from them",
                hint="move fan_mask before the step that derives the stream",
                code="mask.after_stream",
            )
        fan = find_fan(clip.frames.mean(axis=0))
        if fan is None:
            return replace(clip, notes=(*clip.notes, "fan_mask found no ultrasound sector: passed unmasked"))
        region = fan.region(clip.frames.shape[1], clip.frames.shape[2], self.margin)
        return replace(clip, frames=np.where(region, clip.frames, np.uint8(0)))
