"""Resample: every clip to one frame rate."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from echokit.data.preprocess.frames import replace_frames
from echokit.data.video.clip import Clip
from echokit.data.video.frame_buffer import most_bytes
from echokit.errors import VideoError


class Resample:
    """Change the frame rate by taking the nearest frame for each new time.

    Of two equally near frames, the earlier one.

    No frame is blended from others, so that speckle and motion stay real; a higher rate repeats frames, and a note
    says so. Frame times are used if the clip has them, else its frame rate.

    Args:
        fps: Frames per second wanted.
    """

    def __init__(self, *, fps: Annotated[float, Field(gt=0, le=1000)]) -> None:
        self.fps = fps

    def __call__(self, clip: Clip) -> Clip:
        """Return the clip at ``fps`` frames per second.

        Raises:
            VideoError: Neither the frame rate nor the frame times of the clip are known.
        """
        if clip.times is None and clip.fps == self.fps:
            return clip
        if clip.times is not None:
            at = clip.times - clip.times[0]
        elif clip.fps is not None:
            at = np.arange(len(clip)) / clip.fps
        else:
            raise VideoError(
                "the frame rate of this clip is not known, so it cannot be resampled",
                hint="remove the clip, or remove resample of the recipe",
                code="resample.no_frame_rate",
            )
        # The slack lets a last frame count that is due exactly then, whatever the rounding.
        count = int(at[-1] * self.fps + 1e-6) + 1
        if count * clip.frames[0].size > most_bytes():
            raise VideoError(
                f"resampling to {self.fps:g} frames per second would make {count} frames of {len(clip)}",
                code="resample.too_large",
            )
        wanted = np.arange(count) / self.fps
        after = np.searchsorted(at, wanted).clip(1, max(len(at) - 1, 1))
        before = after - 1
        after = np.minimum(after, len(at) - 1)
        nearest = np.where(wanted - at[before] <= at[after] - wanted + 1e-9, before, after)
        notes = clip.notes
        repeated = count - len(np.unique(nearest))
        if repeated:
            notes = (*notes, f"resampling to {self.fps:g} frames per second repeats {repeated} of {count} frames")
        return replace_frames(clip, clip.frames[nearest], by="resample", fps=self.fps, times=None, notes=notes)
