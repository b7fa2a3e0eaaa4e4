"""Changing the frames of a clip: allowed only while nothing was derived from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from echokit.data.video.clip import Clip, Frames
from echokit.errors import VideoError


def replace_frames(clip: Clip, frames: Frames, *, by: str, **changes: Any) -> Clip:
    """Return the clip with other frames.

    Args:
        clip: A clip without derived streams.
        frames: (T, H, W) uint8.
        by: Name of the preprocessor, for the message.
        **changes: Other fields of the clip that change with the frames.

    Raises:
        VideoError: The clip has derived streams, which would no longer fit.
    """
    if clip.streams:
        derived = ", ".join(sorted(clip.streams))
        raise VideoError(
            f"{by} changes the frames after {derived} was derived from them",
            hint=f"put {by} before the step that derives {derived}",
            code="preprocess.step_order",
        )
    return replace(clip, frames=frames, **changes)
