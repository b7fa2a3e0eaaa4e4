"""AVI and MP4: decoding by PyAV to grey frames, without trust in the header.

The rule for grey: 8-bit YUV gives its luma plane, as it is when the range is full (every MJPEG) and expanded
from 16..235 when it is limited or not stated (as the standards define); grey is taken as it is; anything else
is converted to RGB and weighted by ITU-R BT.601.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.data.video.clip import Clip
from echokit.data.video.frame_buffer import MAX_PIXELS, FrameBuffer, frame_too_large
from echokit.data.video.grayscale import Colour, Grey, rgb_to_grey, studio_to_full
from echokit.errors import VideoError

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

MAX_FPS = 10_000.0
_LEAST_BYTES = 16  # of a file for each frame that it may be expected to hold
_LUMA_FIRST = {"yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "nv12", "nv16", "nv21"}
_REFERENCES = 16  # frames that a decoder may hold at once where frames depend on each other
_MAX_HELD_BYTES = 2**29
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


def read_container(path: Path, kind: str, *, frames: int | None, max_bytes: int) -> Clip:
    """Decode the first video stream of an AVI or MP4 file.

    Args:
        path: The file.
        kind: ``AVI`` or ``MP4``.
        frames: Decode the first ``frames`` frames only; None decodes all.
        max_bytes: Most bytes of grey frames to decode.

    Raises:
        VideoError: There is no video stream, nothing can be decoded, the frames are too large or change their
            size, or the video is larger than ``max_bytes``.
    """
    import av

    where = path.name
    damaged = VideoError(
        f"no frame of this {kind} file can be decoded",
        hint="copy or download it again",
        where=where,
        code="video.no_frames",
    )
    try:
        # An open file rather than a name: libav then can follow no protocol and repeat no path in a message.
        with (
            path.open("rb") as file,
            av.open(file, "r", format="avi" if kind == "AVI" else "mov", metadata_errors="replace") as container,
        ):
            if not container.streams.video:
                raise VideoError(f"this {kind} file holds no video stream", where=where, code="container.no_stream")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise VideoError(
                    f"the codec of this {kind} file is not known",
                    hint="convert it to MJPEG",
                    where=where,
                    code="container.unknown_codec",
                )
            if stream.codec_context.width * stream.codec_context.height > MAX_PIXELS:
                raise frame_too_large(stream.codec_context.width, stream.codec_context.height, where)
            decoding = _Decoding(container, stream)
            held = min(max(stream.frames, len(stream.index_entries)), path.stat().st_size // _LEAST_BYTES)
            grey = FrameBuffer(held if frames is None else min(held, frames), max_bytes, where)
            pts: list[int | None] = []
            for frame in decoding:
                if decoding.held_bytes(frame) > _MAX_HELD_BYTES:
                    raise frame_too_large(frame.width, frame.height, where)
                grey.add(frame_to_grey(frame))
                pts.append(frame.pts)
                if len(grey) == frames:
                    break
            if not grey:
                raise damaged
            fps, times, timing = _timing(stream, pts)
            lost = _count_notes(stream.frames, len(grey), frames, decoding)
            source = f"{kind} {stream.codec_context.name}"
    except VideoError:
        raise
    except (av.FFmpegError, OSError, ValueError, ArithmeticError, MemoryError, LookupError):
        raise damaged from None
    return Clip(grey.frames(), fps=fps, times=times, source=source, notes=(*lost, *timing), damaged=bool(lost))


def container_colours(path: Path, numbers: Collection[int]) -> Colour | None:
    """Decode some frames of an AVI or MP4 file in colour.

    Args:
        path: A file that ``read_container`` reads.
        numbers: Of the frames; those that cannot be decoded are left out.

    Returns:
        (k, H, W, 3) uint8 RGB, or None if the video is grey or no frame can be decoded.
    """
    import av

    found = []
    try:
        with path.open("rb") as file, av.open(file, "r", metadata_errors="replace") as container:
            for number, frame in enumerate(_Decoding(container, container.streams.video[0])):
                if frame.format.name.startswith("gray") or number > max(numbers, default=-1):
                    break
                if number in numbers:
                    found.append(frame.to_ndarray(format="rgb24"))
        return np.stack(found) if found else None
    except (av.FFmpegError, OSError, ValueError, ArithmeticError, MemoryError, LookupError):
        return None


class _Decoding:
    """Iterates over the frames of a stream and counts the ones that fail."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.container = container
        self.stream = stream
        self.packets = 0  # that the decoder took; each holds one frame
        self.failed = 0
        self.concealed = 0
        self.broken_off = False
        context = stream.codec_context
        context.thread_count = 1
        context.options = {"max_pixels": str(MAX_PIXELS)}
        if context.codec.intra_only:
            # A frame that depends on no other is either whole or lost: never pass a patched one as real.
            context.options = {**context.options, "err_detect": "explode"}

    def __iter__(self) -> Iterator[VideoFrame]:
        import av

        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except av.FFmpegError:
                self.broken_off = True
                break
            if packet.size == 0:
                # The last packet is empty. In the middle of an AVI, an empty one means "no new frame here", and
                # would end the decoding if the decoder saw it.
                self.failed += packet.dts is not None
                continue
            try:
                decoded = self.stream.codec_context.decode(packet)
            except av.FFmpegError:
                self.failed += 1
                continue
            self.packets += 1
            yield from self._counted(decoded)
        try:
            yield from self._counted(self.stream.codec_context.decode(None))
        except av.FFmpegError:
            self.broken_off = True

    def held_bytes(self, frame: VideoFrame) -> int:
        """Most bytes that the decoder may hold besides the frames that it gives away."""
        depends = not self.stream.codec_context.codec.intra_only
        return depends * _REFERENCES * sum(plane.buffer_size for plane in frame.planes)

    def _counted(self, decoded: list[VideoFrame]) -> Iterator[VideoFrame]:
        for frame in decoded:
            self.concealed += bool(frame.is_corrupt)
            yield frame


def frame_to_grey(frame: VideoFrame) -> Grey:
    """Return the (H, W) uint8 luma of a decoded frame over the full range."""
    name = frame.format.name
    full = name.startswith("yuvj") or frame.color_range == _FULL_RANGE
    name = name.replace("yuvj", "yuv")
    if name != "gray" and name not in _LUMA_FIRST:
        return rgb_to_grey(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
    luma = stored_plane(frame, 0)
    return luma if full or name == "gray" else studio_to_full(luma)


def stored_plane(frame: VideoFrame, number: int) -> Grey:
    """View an 8-bit plane of a decoded frame as stored: (H, W) uint8."""
    plane = frame.planes[number]
    # A line in memory can be longer than the picture is wide.
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return lines[: frame.height, : frame.width]


def _count_notes(declared: int, decoded: int, limit: int | None, decoding: _Decoding) -> list[str]:
    notes = []
    if decoding.failed:
        notes.append(f"left out because corrupt or empty: {decoding.failed} frames")
    if decoding.concealed:
        notes.append(f"corrupt and patched by the decoder: {decoding.concealed} frames")
    if decoding.broken_off:
        notes.append(f"the file breaks off after {decoded} frames")
    if declared and decoded != limit and decoded != declared:
        notes.append(f"header declares {declared} frames, {decoded} decoded")
    elif decoded != limit and decoded < decoding.packets:
        # Without an error: a damaged table of times, for one, tells the decoder to pass over frames.
        notes.append(f"file holds {decoding.packets} frames, {decoded} decoded")
    return notes


def _timing(
    stream: VideoStream, pts: list[int | None]
) -> tuple[float | None, npt.NDArray[np.float64] | None, list[str]]:
    """Return the frame rate, the times if uneven, and what is wrong with them."""
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        return None, None, ["the header gives no frame rate"]
    fps = float(rate)
    if not 0 < fps <= MAX_FPS:
        return None, None, [f"the header's frame rate of {fps:.6g} per second is not believable and ignored"]
    if len(pts) < 2:
        return fps, None, []
    ticks = [tick for tick in pts if tick is not None]
    if len(ticks) < len(pts) or stream.time_base is None:
        return fps, None, []
    steps = np.diff(np.asarray(ticks, np.float64))
    if (steps <= 0).any():
        return fps, None, ["the frame times do not increase and are ignored"]
    tick = float(stream.time_base)
    # Times are rounded to whole ticks; where a tick is a frame, as in AVI, an even clip has steps of exactly one.
    tolerance = tick if tick < 0.5 / fps else 1e-3 / fps
    even = bool(np.abs(steps * tick - 1 / fps).max() <= tolerance)
    times = np.concatenate([[0.0], np.cumsum(steps)]) * tick
    return fps, None if even else times, []
