"""Time and geometry from a DICOM header, checked against the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.data.video.clip import Region

if TYPE_CHECKING:
    from pydicom import Dataset

MAX_FPS = 10_000.0
_CENTIMETRE = 3  # PhysicalUnitsXDirection (0018,6024)
_TISSUE = 1  # RegionDataType (0018,6014)

Times = npt.NDArray[np.float64]


def frame_timing(header: Dataset, declared: int, kept: Sequence[int]) -> tuple[float | None, Times | None, list[str]]:
    """Find the frame rate in the first of five elements that states it.

    FrameTime, FrameTimeVector, RecommendedDisplayFrameRate, CineRate, in this order.

    Args:
        header: A DICOM header.
        declared: Frames that the header declares.
        kept: Numbers of the frames that were decoded, rising; at least one.

    Returns:
        Frames per second, the (len(kept),) times in seconds if they are not even, and notes.
    """
    notes = []
    for name in ("FrameTime", "FrameTimeVector", "RecommendedDisplayFrameRate", "CineRate"):
        value = header.get(name)
        if value is None or value == "":
            continue
        steps = _steps(name, value, declared)
        if steps is None:
            notes.append(f"{name} is not believable and ignored")
            continue
        fps = 1 / float(steps[0] if (steps == steps[0]).all() else steps.mean())
        at = np.concatenate([[0.0], np.cumsum(steps)])
        chosen = at[np.asarray(kept)] - at[kept[0]]
        gaps = np.diff(chosen)
        even = len(gaps) == 0 or float(np.abs(gaps - 1 / fps).max()) < 1e-3 / fps
        return fps, None if even else chosen, notes
    if declared > 1:
        notes.append("the header gives no frame rate")
    return None, None, notes


def _steps(name: str, value: object, declared: int) -> Times | None:
    """Return the seconds between declared frames, or None if impossible."""
    try:
        numbers = np.atleast_1d(np.asarray(value, np.float64))
    except (TypeError, ValueError):
        return None
    if name == "FrameTimeVector":
        if len(numbers) != declared or declared < 2:
            return None
        steps = numbers[1:] / 1000
    else:
        step = numbers[0] / 1000 if name == "FrameTime" else 1 / numbers[0] if numbers[0] else np.inf
        steps = np.full(max(declared - 1, 1), step)
    if not np.isfinite(steps).all() or (steps < 1 / MAX_FPS).any():
        return None
    return steps


def picture_geometry(
    header: Dataset, rows: int, columns: int
) -> tuple[tuple[float, float] | None, tuple[Region, ...], list[str]]:
    """Find the ultrasound regions and the pixel spacing.

    The spacing is that of the largest tissue region that has one, else PixelSpacing.

    Args:
        header: A DICOM header.
        rows: Height of the frames.
        columns: Width of the frames.

    Returns:
        Height and width of a pixel in mm or None, the regions inside the picture, and notes.
    """
    regions = []
    notes = []
    for item in header.get("SequenceOfUltrasoundRegions", None) or ():
        region = _region(item)
        if 0 <= region.x0 < region.x1 <= columns and 0 <= region.y0 < region.y1 <= rows:
            regions.append(region)
        else:
            notes.append(f"an ultrasound region lies outside the {columns}x{rows} picture and is ignored")
    tissue = [region for region in regions if region.data_type == _TISSUE and region.spacing]
    if tissue:
        largest = max(tissue, key=lambda region: (region.x1 - region.x0) * (region.y1 - region.y0))
        return largest.spacing, tuple(regions), notes
    spacing = header.get("PixelSpacing", None)
    if spacing and len(spacing) == 2 and all(float(side) > 0 for side in spacing):
        return (float(spacing[0]), float(spacing[1])), tuple(regions), notes
    return None, tuple(regions), notes


def _region(item: Dataset) -> Region:
    across, down = (abs(float(item.get(f"PhysicalDelta{axis}", 0) or 0)) for axis in "XY")
    in_cm = all(item.get(f"PhysicalUnits{axis}Direction") == _CENTIMETRE for axis in "XY")
    known = in_cm and across > 0 and down > 0 and np.isfinite([across, down]).all()
    # DICOM counts the last pixel in; a Region does not.
    return Region(
        x0=int(item.get("RegionLocationMinX0", -1)),
        y0=int(item.get("RegionLocationMinY0", -1)),
        x1=int(item.get("RegionLocationMaxX1", -1)) + 1,
        y1=int(item.get("RegionLocationMaxY1", -1)) + 1,
        spacing=(down * 10, across * 10) if known else None,
        data_type=int(item.get("RegionDataType", 0)),
    )
