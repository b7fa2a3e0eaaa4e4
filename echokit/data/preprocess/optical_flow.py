"""OpticalFlow: the second stream of the study, stored as int8."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np

from echokit.data.preprocess.flow_estimation import Method, flow_fields
from echokit.data.video.clip import Clip, Stream


class OpticalFlow:
    """Derive the stream ``flow``: motion between frames, in pixels.

    To the right and down, from one frame to the next.

    The stream is (2, T - 1, H, W) int8 with one scale for the clip, chosen so that the largest motion is 127 steps:
    nothing is clipped, and no value is off by more than half a step. A clip of one frame has an empty
    stream, and so cannot be used.

    Args:
        method: ``farneback`` with the settings of the study, or ``dis``, about ten times faster.
    """

    derives = "flow"
    """The stream that this step derives: steps that change frames must come before it."""

    def __init__(self, *, method: Method = "farneback") -> None:
        self.method = method

    def __call__(self, clip: Clip) -> Clip:
        """Return the clip with the stream ``flow`` added."""
        count, height, width = clip.frames.shape
        fields = np.empty((2, max(count - 1, 0), height, width), np.float32)
        for number, field in enumerate(flow_fields(clip.frames, self.method)):
            fields[:, number] = field.transpose(2, 0, 1)
        largest = float(np.abs(fields).max(initial=0))
        scale = largest / 127 if largest else 1.0
        data = np.rint(fields / np.float32(scale)).astype(np.int8)
        notes = clip.notes if count > 1 else (*clip.notes, "a clip of one frame has no optical flow")
        return replace(
            clip, streams=MappingProxyType({**clip.streams, "flow": Stream(data=data, scale=scale)}), notes=notes
        )
