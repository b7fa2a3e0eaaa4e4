"""RandomMask: a control that keeps a part of the picture which has nothing to do with the heart."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from echokit.data.preprocess.frames import replace_frames
from echokit.data.preprocess.sector import Area
from echokit.data.video.clip import Clip


class RandomMask:
    """Keep an ellipse at a random place, as a control for comparisons.

    The place and the shape follow from the seed and the content of the clip alone.

    Args:
        keep: Share of the picture that is kept; less where the ellipse reaches over its edge.
        seed: Another seed, other places.
    """

    def __init__(
        self, *, keep: Annotated[float, Field(gt=0, le=1)] = 0.4, seed: Annotated[int, Field(ge=0)] = 0
    ) -> None:
        self.keep = keep
        self.seed = seed

    def __call__(self, clip: Clip) -> Clip:
        """Return the clip with zeros outside the ellipse."""
        return replace_frames(clip, clip.frames * self.region(clip), by="random_mask")

    def region(self, clip: Clip) -> Area:
        """Return the (H, W) bool ellipse."""
        import zlib

        height, width = clip.frames.shape[1:]
        middle = zlib.crc32(np.ascontiguousarray(clip.frames[len(clip) // 2]).tobytes())
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, middle])))
        y, x = rng.uniform(0.25, 0.75, 2) * [height, width]
        stretch = rng.uniform(0.7, 1.4)
        radius = np.sqrt(self.keep * height * width / np.pi)
        rows, columns = np.ogrid[:height, :width]
        distance = ((rows - y) / (radius * stretch)) ** 2 + ((columns - x) / (radius / stretch)) ** 2
        return np.asarray(distance <= 1, bool)
