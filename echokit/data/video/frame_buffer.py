"""The grey frames of one video while it is decoded: in one array, within one limit for every format."""

from __future__ import annotations

import math
import os

import numpy as np
import numpy.typing as npt

from echokit.errors import EchokitError, VideoError

GIB = 2**30
VARIABLE = "ECHOKIT_VIDEO_GIB"
DEFAULT_GIB = 1.0
MAX_PIXELS = 2**24
"""Most pixels of a frame, four times those of the largest screens: a decoder allocates by the header."""
_GROWTH = 1.2


def most_bytes() -> int:
    """Return how many bytes of grey frames one video may decode to.

    1 GiB, 1,365 frames of 1024x768; the environment variable ``ECHOKIT_VIDEO_GIB`` sets another number.

    Raises:
        EchokitError: The variable is not a positive number.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return int(DEFAULT_GIB * GIB)
    try:
        gib = float(text)
    except ValueError:
        gib = math.nan
    if not 0 < gib < 2**20:
        raise EchokitError(
            f"{VARIABLE} is not a positive number of GiB",
            hint=f"{VARIABLE}=4 lets a video decode to 4 GiB; without it the limit is {DEFAULT_GIB:g}",
            where=VARIABLE,
            code="video.limit",
        )
    return int(gib * GIB)


def frame_too_large(width: int, height: int, where: str) -> VideoError:
    """Make the error of a video whose frames have more than ``MAX_PIXELS`` pixels."""
    return VideoError(
        f"one frame is declared as {width}x{height}: larger than 4096x4096",
        hint="export it in the size of the ultrasound machine's screen",
        where=where,
        code="video.frame_too_large",
    )


def too_large(max_bytes: int, where: str | None = None) -> VideoError:
    """Make the error of a video that decodes to more than the limit."""
    return VideoError(
        f"the video decodes to more than {max_bytes / GIB:.3g} GiB",
        hint=f"put trim first in the recipe to decode the first frames only, or raise the limit: {VARIABLE}=4",
        where=where,
        code="video.too_large",
    )


class FrameBuffer:
    """Collects frames of one size without a second copy of all of them.

    Args:
        expected: How many frames are likely; more and fewer may come. Memory that no frame has filled costs nothing.
        max_bytes: Most bytes of grey frames.
        where: Name of the video, for messages.
    """

    def __init__(self, expected: int, max_bytes: int, where: str) -> None:
        self._expected = expected
        self._max_bytes = max_bytes
        self._where = where
        self._frames = np.empty((0, 0, 0), np.uint8)
        self._count = 0
        self._most = 0
        self._shape: tuple[int, ...] = ()

    def __len__(self) -> int:
        return self._count

    def add(self, image: npt.NDArray[np.uint8]) -> None:
        """Append a frame.

        Args:
            image: (H, W) uint8.

        Raises:
            VideoError: It has another size than the frames before it, or there is one too many.
        """
        if self._count == 0:
            self._shape = image.shape
            self._most = self._max_bytes // max(image.size, 1)
            self._frames = np.empty((max(1, min(self._expected, self._most)), *self._shape), np.uint8)
        elif image.shape != self._shape:
            was, now = (f"{width}x{height}" for height, width in (self._shape, image.shape))
            raise VideoError(
                f"the frames change their size from {was} to {now} at frame {self._count}",
                hint="cut the video into parts of one size each",
                where=self._where,
                code="video.frame_sizes",
            )
        if self._count == self._most:
            raise too_large(self._max_bytes, self._where)
        if self._count == len(self._frames):
            self._resize(min(self._most, int(self._count * _GROWTH) + 1))
        self._frames[self._count] = image
        self._count += 1

    def frames(self) -> npt.NDArray[np.uint8]:
        """Return all frames, (T, H, W) uint8; nothing can be added after that."""
        if self._count < len(self._frames):
            self._resize(self._count)
        return self._frames

    def _resize(self, count: int) -> None:
        # In place where the system can: np.concatenate would need the memory twice.
        self._frames.resize((count, *self._frames.shape[1:]), refcheck=False)
