"""Trim: the first frames of a clip."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from echokit.data.preprocess.frames import replace_frames
from echokit.data.video.clip import Clip


class Trim:
    """Keep the first frames of a clip; a shorter clip is left as it is.

    As the first step of a recipe it also limits what is decoded.

    Args:
        frames: How many frames to keep.
    """

    def __init__(self, *, frames: Annotated[int, Field(ge=1)]) -> None:
        self.frames = frames

    def __call__(self, clip: Clip) -> Clip:
        """Return the clip with at most ``frames`` frames."""
        if len(clip) <= self.frames:
            return clip
        times = None if clip.times is None else clip.times[: self.frames]
        return replace_frames(clip, clip.frames[: self.frames], by="trim", times=times)
