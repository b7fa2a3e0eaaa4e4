"""Grey: the one rule that turns every colour format into uint8 luma."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
Colour = npt.NDArray[np.uint8]

# ITU-R BT.601 studio range: black is 16, white is 235; codes outside are over- and undershoots, cut by definition.
_STUDIO = np.clip(np.rint((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)


def studio_to_full(luma: Grey) -> Grey:
    """Expand luma of the studio range 16..235 to 0..255 (ITU-R BT.601).

    Args:
        luma: uint8 of any shape.
    """
    return _STUDIO[luma]


def rgb_to_grey(rgb: npt.NDArray[np.uint8]) -> Grey:
    """Compute luma of RGB pixels (ITU-R BT.601); exact where R = G = B.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        (H, W) uint8.
    """
    import cv2

    return np.asarray(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY), np.uint8)


def ybr_to_rgb(ybr: npt.NDArray[np.uint8]) -> Colour:
    """Compute RGB from full-range luma and colour differences (ITU-R BT.601).

    Args:
        ybr: (H, W, 3) uint8.
    """
    import cv2

    return np.asarray(cv2.cvtColor(np.ascontiguousarray(ybr[..., [0, 2, 1]]), cv2.COLOR_YCrCb2RGB), np.uint8)


def stored_to_grey(stored: npt.NDArray[Any], bits: int, *, signed: bool, inverted: bool) -> Grey:
    """Scale monochrome samples by their stored bits to 0..255.

    Args:
        stored: (H, W) integers.
        bits: Bits that are used (DICOM BitsStored).
        signed: Whether the samples are two's complement; the smallest then becomes 0.
        inverted: Whether small samples are bright (MONOCHROME1).

    Returns:
        (H, W) uint8.
    """
    top = 2**bits - 1
    if bits == 8 and not signed and stored.dtype == np.uint8:
        grey = stored
    else:
        values = stored.astype(np.int64) + (2 ** (bits - 1) if signed else 0)
        grey = ((np.clip(values, 0, top) * 255 + top // 2) // top).astype(np.uint8)
    return np.asarray(255 - grey if inverted else grey, np.uint8)
