"""What a mask did to a clip: its region, its faults, and pictures of both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.data.video.clip import Frames
from echokit.errors import EchokitError
from echokit.system.files import write_bytes

if TYPE_CHECKING:
    Region = npt.NDArray[np.bool_]
    Picture = npt.NDArray[np.uint8]

OUTLINE = (64, 220, 170)
TINT = (150, 40, 60)
INK = (235, 235, 235)
PAPER = (24, 26, 30)
STAMP = (255, 190, 60)
KEPT = "kept: {:.0%} of what is not black"


def mask_region(before: Frames, after: Frames) -> Region:
    """Find what a mask kept, whatever the mask was.

    Args:
        before: (T, H, W) uint8, the input of the mask.
        after: (T, H, W) uint8, its output.

    Returns:
        (H, W) bool: False if the output is zero in all frames although the input is not; True elsewhere, so also
        where the input was black already.
    """
    return np.asarray((after != 0).any(axis=0) | (before == 0).all(axis=0), bool)


def lit_and_kept(before: Frames, region: Region) -> float:
    """Measure how much a mask kept of what is not black in every frame.

    Args:
        before: (T, H, W) uint8, the input of the mask.
        region: (H, W) bool, from ``mask_region``.

    Returns:
        Share of the lit pixels, from 0 to 1; 1 if the clip is black throughout.
    """
    lit = (before != 0).any(axis=0)
    return float(region[lit].mean()) if lit.any() else 1.0


def check_mask(before: Frames, after: Frames) -> None:
    """Check that a mask only sets whole pixels to zero, the same ones in every frame.

    Args:
        before: (T, H, W) uint8, the input of the mask.
        after: (T, H, W) uint8, its output.

    Raises:
        EchokitError: The shape changed, or pixels that are kept have other values.
    """
    if after.shape != before.shape or after.dtype != before.dtype:
        raise EchokitError(
            f"the mask made {after.shape} {after.dtype} of {before.shape} {before.dtype}",
            hint="a mask keeps the size; resize in a step of its own",
            code="mask.changed_shape",
        )
    kept = mask_region(before, after)
    changed = int(((before != after).any(axis=0) & kept).sum())
    if changed:
        raise EchokitError(
            f"the mask changed the values of {changed} pixels that it keeps",
            hint="a mask sets the pixels outside one region to zero in all frames and touches nothing else",
            code="mask.changed_pixels",
        )


def overlay(frame: npt.NDArray[np.uint8], region: Region, *, dim: float = 0.35) -> Picture:
    """Show what a mask removes: removed pixels tinted, an outline of the rest.

    Args:
        frame: (H, W) uint8.
        region: (H, W) bool, True if kept.
        dim: Brightness of the removed part, from 0 to 1.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    import cv2

    picture = np.repeat(frame[..., None], 3, axis=2).astype(np.float32)
    removed = ~region
    picture[removed] = picture[removed] * dim + np.array(TINT, np.float32) * 0.4
    drawn = np.ascontiguousarray(picture.clip(0, 255).astype(np.uint8))
    outlines, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, outlines, -1, OUTLINE, 1)
    return drawn


def side_by_side(before: Frames, after: Frames, region: Region | None = None, *, label: str | None = None) -> Picture:
    """Draw original, overlay and masked picture of the first and middle frame.

    Args:
        before: (T, H, W) uint8, the input of the mask.
        after: (T, H, W) uint8, its output.
        region: (H, W) bool; derived from the two if it is not given.
        label: A stamp across the top, such as ``PHANTOM DATA``.

    Returns:
        (H', W', 3) uint8 RGB.
    """
    import cv2

    region = mask_region(before, after) if region is None else region
    lit = (before != 0).any(axis=0)
    kept = KEPT.format(lit_and_kept(before, region))
    region = visible(region, lit)
    factor = max(1, -(-224 // max(before.shape[1:])))
    rows = []
    for number in dict.fromkeys((0, len(before) // 2)):
        first, last = (np.repeat(frames[number][..., None], 3, axis=2) for frames in (before, after))
        tiles = [first, overlay(before[number], region), last]
        names = [f"frame {number}", kept, "masked"]
        rows.append(np.hstack([_tile(tile, name, factor) for tile, name in zip(tiles, names, strict=True)]))
    picture = np.vstack(rows)
    if label:
        banner = np.full((26, picture.shape[1], 3), PAPER, np.uint8)
        cv2.putText(banner, label, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, STAMP, 1, cv2.LINE_AA)
        picture = np.vstack([banner, picture])
    return np.asarray(picture, np.uint8)


def visible(region: Region, lit: Region) -> Region:
    """Remove the black border of the kept region, for a readable picture.

    Args:
        region: (H, W) bool, from ``mask_region``.
        lit: (H, W) bool, False if the clip is black throughout.

    Returns:
        (H, W) bool; the region itself where nothing is removed.
    """
    import cv2

    if region.all():
        return region
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * (max(lit.shape) // 32) + 1,) * 2)
    closed = cv2.morphologyEx((region & lit).astype(np.uint8), cv2.MORPH_CLOSE, disc)
    return np.asarray((closed > 0) & region, bool)


def _tile(picture: Picture, name: str, factor: int) -> Picture:
    import cv2

    large = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    size = max(large.shape[1] / 400, 1)
    framed = cv2.copyMakeBorder(large, int(24 * size), 4, 4, 4, cv2.BORDER_CONSTANT, value=PAPER)
    cv2.putText(framed, name, (8, int(16 * size)), cv2.FONT_HERSHEY_SIMPLEX, 0.42 * size, INK, 1, cv2.LINE_AA)
    return np.asarray(framed, np.uint8)


def write_picture(
    path: Path, before: Frames, after: Frames, region: Region | None = None, *, label: str | None = None
) -> None:
    """Write the picture of ``side_by_side`` as PNG, whole or not at all.

    Raises:
        EchokitError: The file cannot be written.
    """
    import cv2

    picture = side_by_side(before, after, region, label=label)
    _, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    try:
        write_bytes(path, data.tobytes())
    except OSError as error:
        raise EchokitError(
            f"the picture cannot be written: {error.strerror}", where=path.name, code="file.not_writable"
        ) from None
