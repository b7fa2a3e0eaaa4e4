"""Whether a clip's picture fits a B-mode dataset, and the fan to cut to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from echokit.data.video.clip import Clip

Area = npt.NDArray[np.bool_]
Colours = npt.NDArray[np.uint8]

SHORTEST = 10
"""Frames that a clip needs at least."""
_COLOURED = 60  # difference of the strongest and weakest of R, G, B from which a pixel may be Doppler
_STRONG = 0.4  # the same as a share of the strongest: a chroma map tints bright echoes by less
_DOPPLER = 0.004  # share of the fan that Doppler colours at least
_TINTED = 0.7  # share of the fan from which it is all in one colour: a strong chroma map
_STILL = 0.15  # grey levels by which the fan's pixels change from frame to frame, at least
_TIP = 0.6  # width of a fan near its tip, as a share of its largest width, at most


def fan_of_clip(clip: Clip) -> tuple[Area | None, bool]:
    """Find the (H, W) bool fan of a clip or None; whether noise may cut it."""
    from echokit.data.preprocess.sector_mask import SectorMask

    return SectorMask().find(clip)


def unfit_picture(clip: Clip, fan: Area | None, colours: Colours | None) -> str | None:
    """Return why a clip does not belong in a B-mode dataset, or None.

    Args:
        clip: The clip.
        fan: From ``fan_of_clip``.
        colours: Some of its frames, (k, H, W, 3) uint8 RGB, or None if it is monochrome.
    """
    if len(clip) < 2:
        return "a still picture"
    if len(clip) < SHORTEST:
        return f"too short: {len(clip)} frames"
    if fan is None:
        return "no fan of an ultrasound sector in its pictures"
    if not _narrow_at_the_top(fan):
        return "its pictures are no fan: a linear or curved probe, M-mode or a spectrum"
    if _restlessness(clip, fan) < _STILL:
        return "nothing moves: a still picture, repeated"
    if colours is not None and _doppler(colours, fan):
        return "colour Doppler, by its pictures"
    return None


def cut_to_fan(clip: Clip, fan: Area, size: int) -> Clip:
    """Black out what is outside the fan, crop, pad to a square and resize.

    Args:
        clip: The clip.
        fan: (H, W) bool.
        size: Height and width of the result in pixels.

    Returns:
        A clip of (T, size, size) frames, without regions; spacing is that of the new pixels.
    """
    import cv2

    rows, columns = np.flatnonzero(fan.any(1)), np.flatnonzero(fan.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    down, across = clip.spacing or (1.0, 1.0)
    tall, wide = (bottom - top) * down, (right - left) * across
    side = max(tall, wide)
    height, width = max(round(size * tall / side), 1), max(round(size * wide / side), 1)
    y, x = (size - height) // 2, (size - width) // 2
    frames = np.zeros((len(clip), size, size), np.uint8)
    inside = fan[top:bottom, left:right]
    shrinking = height < bottom - top
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    for number, frame in enumerate(clip.frames):
        part = frame[top:bottom, left:right] * inside
        frames[number, y : y + height, x : x + width] = cv2.resize(part, (width, height), interpolation=how)
    spacing = (side / size, side / size) if clip.spacing else None
    return replace(clip, frames=frames, spacing=spacing, regions=())


def _narrow_at_the_top(fan: Area) -> bool:
    """Whether an area begins in a tip, as the fan of a phased array does."""
    widths = fan.sum(1)
    rows = np.flatnonzero(widths)
    top = rows[: max(len(rows) // 12, 1)]
    return float(widths[top].mean()) < _TIP * float(widths.max())


def _restlessness(clip: Clip, fan: Area) -> float:
    """Compute the mean change between frames inside the fan, of 20 pairs."""
    pairs = np.unique(np.linspace(0, len(clip) - 2, 20).astype(int))
    return float(
        np.mean([np.abs(clip.frames[n + 1][fan].astype(np.int16) - clip.frames[n][fan]).mean() for n in pairs])
    )


def _doppler(colours: Colours, fan: Area) -> bool:
    shares = []
    for image in colours:
        pixels = image[fan].astype(np.int16)
        strongest = pixels.max(-1)
        difference = strongest - pixels.min(-1)
        coloured = (difference > _COLOURED) & (difference > _STRONG * strongest)
        shares.append(float(coloured.sum()) / max(int((strongest > 20).sum()), 1))
    return max(shares) > _DOPPLER and min(shares) < _TINTED
