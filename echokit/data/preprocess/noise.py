"""The noise of a recording: how much still pixels change from frame to frame.

Outside the fan, a clean recording does not change by a bit. With a frame grabber or a tape, every pixel changes
from frame to frame, by about the same amount wherever nothing is shown.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from echokit.data.video.clip import Frames

_PAIRS = 12
"""Pairs of frames that are measured, spread over the clip."""
_QUIET = 0.1  # share of the picture, its bars aside, that is beside the fan for sure
_BESIDE = 0.37  # share of the picture that is beside the fan and thus about as quiet; a fan of 90 degrees leaves 0.44
_ALIKE = 1.7  # by how much white may be noisier than black, of which half the noise is clipped
_AROUND = 0.03  # of the longer side, over which the change is averaged
_FAINTEST = 0.05  # grey levels: less is rounded away
ABOVE = 4.0
"""What changes by more than so many times the noise is an echo."""


def noise_of(frames: Frames, size: tuple[int, int]) -> float:
    """Measure the grey levels by which the still part changes between frames.

    That is the change which the quietest tenth of the picture does not exceed, if more than a third of the picture is
    about as quiet, as beside a fan, and something in it is far louder. In a picture that is full of echoes no part
    separates the noise from them.

    Args:
        frames: (T, H, W) uint8, at least two frames.
        size: Height and width to which the frames are averaged down first.

    Returns:
        Mean change in grey levels; 0 if there is no noise, or it cannot be separated from echoes.
    """
    import cv2

    change = _change(frames, size)
    rows, columns = np.flatnonzero(change.any(axis=1)), np.flatnonzero(change.any(axis=0))
    if not len(rows):
        return 0.0
    # Bars at the edges are still, whatever the noise between them.
    inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    around = 2 * int(_AROUND * max(size) / 2) + 1
    level = cv2.blur(change, (around, around))[inside]
    noise, loudest = np.percentile(level, [100 * _QUIET, 99])
    beside = float((level <= _ALIKE * noise).mean())
    return float(noise) if noise > _FAINTEST and beside > _BESIDE and loudest > ABOVE * noise else 0.0


def _change(frames: Frames, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Compute the mean change between frames, (H', W') float32.

    Pictures are not rounded: rounding hides faint noise.
    """
    import cv2

    pairs = np.unique(np.linspace(0, len(frames) - 2, _PAIRS).astype(int))
    # In a short clip a frame is the second of one pair and the first of the next.
    averaged = {
        number: cv2.resize(frames[number].astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
        for number in sorted({*pairs.tolist(), *(pairs + 1).tolist()})
    }
    total = np.zeros(size, np.float32)
    for number in pairs.tolist():
        total += np.abs(averaged[number + 1] - averaged[number])
    return total / np.float32(len(pairs))
