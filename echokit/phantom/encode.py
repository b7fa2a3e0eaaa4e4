"""Grey frames to Motion JPEG in AVI, byte for byte the same each time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from echokit.video.clip import Frames

QUALITY = 3  # MJPEG quantiser, 2 (best) to 31


def write_mjpeg(path: Path, frames: Frames, fps: int) -> None:
    """Write a Motion JPEG AVI as EchoNet-Dynamic has them: grey pictures in a colour format.

    Args:
        path: File to write.
        frames: (T, H, W) uint8 with even H and W; full range.
        fps: Frames per second.
    """
    import av
    from av.codec.context import Flags

    count, height, width = frames.shape
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    with av.open(str(path), "w", format="avi", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("mjpeg", rate=Fraction(fps), options={"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        context = stream.codec_context
        context.flags |= Flags.bitexact | Flags.qscale
        context.qmin = context.qmax = QUALITY
        for index in range(count):
            planes[:height] = frames[index]
            picture = av.VideoFrame.from_ndarray(planes, format="yuvj420p")
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
