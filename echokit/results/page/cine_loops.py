"""Video loops: a prepared clip as a small animation inside the page, with the outline of its mask."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from echokit.data.clips.clip_file import Mask

SIDE = 168
MOST_FRAMES = 40
QUALITY = 55


@dataclass(frozen=True)
class Shown:
    """The frames of a case.

    Attributes:
        frames: Prepared (T, H, W) uint8 frames.
        mask: The region that the mask left visible, or None.
        fps: Frames a second, or None if unknown.
    """

    frames: npt.NDArray[np.uint8]
    mask: Mask | None
    fps: float | None


Source = Callable[[str], Shown | None]
"""Returns the frames of a case_id, or None."""


@dataclass(frozen=True)
class Loop:
    """An animation and its first frame, as data URIs."""

    moving: str
    still: str


def loop(shown: Shown) -> Loop:
    """Encode a clip as WebP at its own speed; long clips are cut."""
    from PIL import Image

    pictures = [Image.fromarray(_with_outline(frame, shown.mask)) for frame in shown.frames[:MOST_FRAMES]]
    moving, still = io.BytesIO(), io.BytesIO()
    milliseconds = round(1000 / (shown.fps or 25.0))
    pictures[0].save(
        moving,
        "WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=max(20, milliseconds),
        loop=0,
        quality=QUALITY,
        method=4,
    )
    pictures[0].save(still, "WEBP", quality=QUALITY)
    return Loop(_uri(moving), _uri(still))


def _with_outline(frame: npt.NDArray[np.uint8], mask: Mask | None) -> npt.NDArray[np.uint8]:
    import cv2

    from echokit.data.preprocess.mask_region import OUTLINE

    height = round(SIDE * frame.shape[0] / frame.shape[1])
    grown = cv2.resize(frame, (SIDE, height), interpolation=cv2.INTER_LINEAR)
    picture = np.ascontiguousarray(np.repeat(grown[..., None], 3, axis=2))
    if mask is not None and not mask.region.all():
        region = cv2.resize(mask.region.astype(np.uint8), (SIDE, height), interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, OUTLINE, 1)
    return np.asarray(picture, np.uint8)


def _uri(buffer: io.BytesIO) -> str:
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
