"""FanMask: keep the ultrasound fan, set everything around it to zero."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from echokit import Clip, VideoError


class FanMask:
    """Keep the fan of the ultrasound machine: two straight edges, the arc near the probe and the arc far from it.

    The fan is found in the mean picture of the clip, so that nothing needs to move: one frame is enough. A line is
    fitted to each edge, and two arcs around the point where the lines meet to what is nearest to and farthest from
    the probe; dark parts of the fan are therefore kept, which a mask of bright or moving pixels loses.

    A clip without a fan (a linear probe, a Doppler trace, a picture that fills the frame) passes unchanged, with a
    note.

    Args:
        margin: Widens the fan on every side, as a share of its depth.
    """

    def __init__(self, *, margin: Annotated[float, Field(ge=0, le=0.2)] = 0.01) -> None:
        self.margin = margin

    def __call__(self, clip: Clip) -> Clip:
        """Return the clip with zeros outside the fan, or unchanged with a note.

        Raises:
            VideoError: A stream was derived from the frames already.
        """
        from echokit_sector_mask.fan import find_fan

        if clip.streams:
            raise VideoError(
                "fan_mask changes the frames after a stream was derived from them",
                hint="put fan_mask before the step that derives the stream",
            )
        fan = find_fan(clip.frames.mean(axis=0))
        if fan is None:
            return replace(clip, notes=(*clip.notes, "fan_mask found no fan: passed unmasked"))
        region = fan.region(clip.frames.shape[1], clip.frames.shape[2], self.margin)
        return replace(clip, frames=np.where(region, clip.frames, np.uint8(0)))
