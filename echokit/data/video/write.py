"""Writing a video: whole or not at all, and the same bytes for the same frames."""

from __future__ import annotations

import errno
import io
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from echokit.errors import EchokitError, VideoError
from echokit.system.files import write_bytes

if TYPE_CHECKING:
    from av import VideoFrame

USUAL_FPS = 30.0
"""Frame rate of a video whose source does not tell one."""

# With its macroblock tree and B-frames, x264 was seen to differ from run to run, even with one thread.
_SAME_BYTES = "bframes=0:mbtree=0:rc-lookahead=0:threads=1"
# Codec, pixel format and codec options by extension; constant high quality, no thread-dependent decisions.
_FORMATS: dict[str, tuple[str, tuple[str, ...], str, dict[str, str]]] = {
    ".avi": ("avi", ("mjpeg",), "yuvj420p", {"qmin": "1", "qmax": "2", "huffman": "default"}),
    ".mp4": ("mp4", ("libx264", "mpeg4"), "yuv420p", {"crf": "12", "x264-params": _SAME_BYTES}),
}


def write_video(path: str | Path, frames: npt.NDArray[np.uint8], fps: float) -> None:
    """Write MJPEG in AVI, or H.264 (else MPEG-4) in MP4, by the extension.

    The file appears at its name only when it is complete. The same frames give the same bytes with the same
    libraries.

    Args:
        path: Ends in ``.avi`` or ``.mp4``.
        frames: (T, H, W) grey or (T, H, W, 3) RGB uint8, at least one frame.
        fps: Frames per second.

    Raises:
        VideoError: The extension is another, the frames are empty or of another shape, ``fps`` is not positive, or
            an MP4 is requested with an odd width or height.
        EchokitError: The file cannot be written.
    """
    path = Path(path)
    where = path.name
    if path.suffix.lower() not in _FORMATS:
        raise VideoError(
            f"cannot write a video with the extension {path.suffix!r}",
            hint="use .avi or .mp4",
            where=where,
            code="write.extension",
        )
    if frames.dtype != np.uint8 or not (frames.ndim == 3 or (frames.ndim == 4 and frames.shape[3] == 3)):
        raise VideoError(
            f"frames must be (T, H, W) or (T, H, W, 3) uint8, not {frames.shape} {frames.dtype}",
            where=where,
            code="write.frames",
        )
    if frames.size == 0:
        raise VideoError("there are no frames to write", where=where, code="write.no_frames")
    if not (np.isfinite(fps) and fps > 0):
        raise VideoError(f"the frame rate must be positive, not {fps}", where=where, code="write.frame_rate")
    if path.suffix.lower() == ".mp4" and (frames.shape[1] % 2 or frames.shape[2] % 2):
        raise VideoError(
            f"an MP4 needs an even width and height, not {frames.shape[1]}x{frames.shape[2]}",
            hint="write an .avi, or resize to an even size",
            where=where,
            code="write.odd_size",
        )
    try:
        # In memory first: a full disk in the middle of a container is not a error that its library passes on.
        content = io.BytesIO()
        _encode(content, path.suffix.lower(), frames, Fraction(fps).limit_denominator(10_000))
        write_bytes(path, content.getbuffer())
    except OSError as error:
        kind = VideoError if error.errno == errno.ENAMETOOLONG else EchokitError  # the fault is the video's, or not
        raise kind(f"the video cannot be written: {error.strerror}", where=where, code="file.not_writable") from None


def _encode(file: Any, suffix: str, frames: npt.NDArray[np.uint8], rate: Fraction) -> None:
    import av
    from av.video.stream import VideoStream

    container_format, codecs, pixel_format, options = _FORMATS[suffix]
    codec = next(name for name in codecs if name in av.codecs_available)
    with av.open(file, "w", format=container_format, options={"fflags": "+bitexact"}) as container:
        stream = cast("VideoStream", container.add_stream(codec, rate=rate, options=options))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixel_format
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for number, image in enumerate(frames):
            frame = _to_yuv(image, pixel_format)
            frame.pts = number
            frame.time_base = 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _to_yuv(image: npt.NDArray[np.uint8], pixel_format: str) -> VideoFrame:
    """Make a YUV frame; full-range grey is its luma plane unchanged."""
    import av

    if image.ndim == 3:
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        return rgb.reformat(format=pixel_format)
    if not pixel_format.startswith("yuvj"):
        # 0..255 into the studio range 16..235; reading expands it again.
        image = np.rint(image * (219 / 255) + 16).astype(np.uint8)
    frame = av.VideoFrame(image.shape[1], image.shape[0], pixel_format)
    for number, plane in enumerate(frame.planes):
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        if number == 0:
            lines[: image.shape[0], : image.shape[1]] = image
        else:
            lines[:] = 128
    return frame
