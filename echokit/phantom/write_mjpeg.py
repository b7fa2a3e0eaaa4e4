"""Write Motion JPEG in AVI, byte for byte the same each time."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from echokit.system.files import named_file

QUALITY = 3  # MJPEG quantiser, 2 (best) to 31


def write_mjpeg(path: Path, frames: npt.NDArray[np.uint8], fps: int, *, quality: int = QUALITY) -> None:
    """Write a Motion JPEG AVI as EchoNet-Dynamic has them.

    Grey frames are in a colour format.

    Args:
        path: File to write.
        frames: (T, H, W) grey or (T, H, W, 3) RGB uint8 with even H and W; full range.
        fps: Frames per second.
        quality: Quantiser, 2 (best) to 31.
    """
    import av
    from av.codec.context import Flags

    height, width = frames.shape[1:3]
    planes = np.full((height * 3 // 2, width), 128, np.uint8)  # luma above, neutral chroma below
    content = io.BytesIO()  # its library does not pass the error of a full disk on
    with av.open(content, "w", format="avi", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("mjpeg", rate=Fraction(fps), options={"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        context = stream.codec_context
        context.flags |= Flags.bitexact | Flags.qscale
        context.qmin = context.qmax = quality
        for index, frame in enumerate(frames):
            if frame.ndim == 3:
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuvj420p")
            else:
                planes[:height] = frame
                picture = av.VideoFrame.from_ndarray(planes, format="yuvj420p")
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    with named_file(path):
        path.write_bytes(content.getbuffer())
