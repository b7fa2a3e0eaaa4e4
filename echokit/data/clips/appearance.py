"""How a video looks: a description to compare it with others."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from echokit.data.video.clip import Clip

SIDE = 28  # pictures are shrunk to this before they are described: a quarter of EchoNet's, which is fast


CORNER = 8  # low frequencies that are kept of each, in both directions


MOST_FRAMES = 64  # that are looked at, evenly spaced


@dataclass(frozen=True)
class VideoDescription:
    """What a decoded video shows.

    Attributes:
        problem: Why it cannot be read; all else is then empty.
        missing: Whether nothing is there.
        frames, height, width: Of the decoded video.
        seconds: Its length, or None if the file gives no frame rate.
        fps: Frames per second, if known.
        notes: What decoding noted.
        damaged: Whether frames are missing or corrupt.
        content: The same for the same decoded frames, and for no others.
        look: (2 * CORNER**2,) float32: low frequencies of the mean picture and of where it changes.
        brightness: Highest grey value.
        change: Mean over the pixels of the SD over time, in grey values.
    """

    problem: str = ""
    missing: bool = False
    frames: int = 0
    height: int = 0
    width: int = 0
    seconds: float | None = None
    fps: float | None = None
    notes: tuple[str, ...] = ()
    damaged: bool = False
    content: str = ""
    look: npt.NDArray[np.float32] | None = None
    brightness: int = 0
    change: float = 0.0


def describe(clip: Clip) -> VideoDescription:
    """Describe a clip."""
    count, height, width = clip.frames.shape
    frames = np.ascontiguousarray(clip.frames)
    small = _shrunk(frames)
    change = small.std(0)
    look = np.concatenate([_low_frequencies(small.mean(0)), _low_frequencies(change)])
    # A checksum of every frame is a third of a cryptographic hash's time; with the look, chance has no room.
    content = f"{count}x{height}x{width}-{zlib.crc32(frames.data):08x}-{zlib.crc32(look.data):08x}"
    seconds = None if clip.fps is None else count / clip.fps
    if clip.times is not None and count > 1:
        seconds = float(clip.times[-1]) * count / (count - 1)
    return VideoDescription(
        frames=count,
        height=height,
        width=width,
        seconds=seconds,
        fps=clip.fps,
        notes=clip.notes,
        damaged=clip.damaged,
        content=content,
        look=look,
        brightness=int(frames.max()),
        change=float(change.mean()),
    )


def _shrunk(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    import cv2

    step = -(-len(frames) // MOST_FRAMES)
    small = [cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for frame in frames[::step]]
    return np.stack(small).astype(np.float32)


def _low_frequencies(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Compute the low corner of the cosine transform, free of gain and offset."""
    import cv2

    spread = float(picture.std())
    flat = (picture - picture.mean()) / spread if spread > 0 else picture * 0
    return np.asarray(cv2.dct(flat)[:CORNER, :CORNER], np.float32).ravel()
