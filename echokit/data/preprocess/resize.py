"""Resize: every clip to one square size."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from echokit.data.preprocess.frames import replace_frames
from echokit.data.video.clip import Clip, Region


class Resize:
    """Scale frames to a square, and keep the aspect ratio.

    Other shapes are first padded with black, centred.

    Areas are averaged when shrinking (OpenCV INTER_AREA) and interpolated linearly when growing. A clip that has the
    size already, such as EchoNet-Dynamic at 112, is not touched. Spacing and regions follow.

    Args:
        size: Height and width in pixels.
    """

    def __init__(self, *, size: Annotated[int, Field(ge=8, le=4096)]) -> None:
        self.size = size

    def __call__(self, clip: Clip) -> Clip:
        """Return the clip with frames of (T, size, size)."""
        height, width = clip.frames.shape[1:]
        if height == width == self.size:
            return clip
        import cv2

        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        scale = self.size / side
        method = cv2.INTER_AREA if self.size < side else cv2.INTER_LINEAR
        frames = np.empty((len(clip), self.size, self.size), np.uint8)
        square = np.zeros((side, side), np.uint8)
        for number, frame in enumerate(clip.frames):
            square[top : top + height, left : left + width] = frame
            frames[number] = cv2.resize(square, (self.size, self.size), interpolation=method)
        spacing = None if clip.spacing is None else (clip.spacing[0] / scale, clip.spacing[1] / scale)
        regions = tuple(_scaled(region, top, left, scale) for region in clip.regions)
        return replace_frames(clip, frames, by="resize", spacing=spacing, regions=regions)


def _scaled(region: Region, top: int, left: int, scale: float) -> Region:
    """Move and scale a region; its pixel bounds grow to whole pixels."""
    return replace(
        region,
        x0=math.floor((region.x0 + left) * scale),
        y0=math.floor((region.y0 + top) * scale),
        x1=math.ceil((region.x1 + left) * scale),
        y1=math.ceil((region.y1 + top) * scale),
        spacing=None if region.spacing is None else (region.spacing[0] / scale, region.spacing[1] / scale),
    )
