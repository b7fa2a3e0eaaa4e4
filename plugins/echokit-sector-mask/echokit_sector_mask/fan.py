"""Geometry of the ultrasound sector ("fan"), and its fit to a gray image."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise, product

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.floating]
Area = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]

SIDE = 256  # pixels; longer side of the image used for fitting
BACKGROUND = 0.06  # share of the 99th percentile of the gray levels: darker pixels are background
SPECKLE_GAP = 0.03  # share of the side: gaps between speckles are closed
CHARACTER = 0.05  # share of the side: thinner structures are text, rulers or traces
NEAR = 0.012  # share of the side: maximum distance of a point on a line
TRIES = 24  # points of an edge; a line is tried through each pair
ON_THE_LINE = 0.2  # minimum share of an edge's rows on its line: far from the probe, edges are often dark
OUTSIDE = 0.03  # maximum share of an edge's rows outside its line
FADED = 0.2  # weight of the point farthest from the probe; the nearest has 1
UPRIGHT = 8.0  # degrees: larger tilts are unlikely
ANGLES = (20.0, 130.0)  # degrees; range of the angle between the edges


@dataclass(frozen=True, slots=True)
class Fan:
    """A fan in pixel coordinates.

    Attributes:
        x, y: The apex: intersection of the two edges, usually at or above the top of the image.
        left, right: Angles of the edges from straight down in radians, positive to the right.
        near, far: Radii of the two arcs around the apex, in pixels.
    """

    x: float
    y: float
    left: float
    right: float
    near: float
    far: float

    def region(self, height: int, width: int, margin: float = 0.0) -> Area:
        """Return the (height, width) bool area of the fan.

        Args:
            height, width: Size of the image.
            margin: Margin around the fan, as a share of its depth.
        """
        rows, columns = np.mgrid[:height, :width].astype(np.float64)
        right, down = columns - self.x, rows - self.y
        wider = margin * (self.far - self.near)
        # Signed distances from the edges, positive inside.
        from_left = right * np.cos(self.left) - down * np.sin(self.left)
        from_right = down * np.sin(self.right) - right * np.cos(self.right)
        distance = np.hypot(right, down)
        inside = (from_left >= -wider) & (from_right >= -wider) & (down > 0)
        return inside & (distance >= self.near - wider) & (distance <= self.far + wider)

    def scaled(self, factor: float) -> Fan:
        """Return the fan in an image enlarged by a factor; pixel centres are at whole numbers."""
        x, y = ((value + 0.5) * factor - 0.5 for value in (self.x, self.y))
        return Fan(x, y, self.left, self.right, self.near * factor, self.far * factor)


def find_fan(image: Image) -> Fan | None:
    """Find the fan in one image; None if there is none.

    Args:
        image: (H, W) gray levels, preferably the mean over a clip.
    """
    import cv2

    height, width = image.shape
    factor = max(height, width) / SIDE
    small = image.astype(np.float32)
    if factor > 1:
        size = (max(round(width / factor), 1), max(round(height / factor), 1))
        small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    fan = _fit(_bright_area(small))
    return fan.scaled(factor) if fan is not None and factor > 1 else fan


def _bright_area(image: npt.NDArray[np.float32]) -> Area:
    """Return the largest area brighter than the background, without thin structures."""
    import cv2

    side = max(image.shape)
    bright = image > max(BACKGROUND * float(np.percentile(image, 99)), 2.0)
    edge = int(side * CHARACTER) + 2  # padding, so that areas at the border are not eroded
    padded = np.pad(bright.astype(np.uint8), edge)
    opened = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, _disc(side * SPECKLE_GAP))
    opened = cv2.morphologyEx(opened, cv2.MORPH_OPEN, _disc(side * CHARACTER))[edge:-edge, edge:-edge]
    count, labels, facts, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(opened))
    if count < 2:
        return np.zeros(image.shape, bool)
    return np.asarray(labels == 1 + int(np.argmax(facts[1:, cv2.CC_STAT_AREA])))


def _disc(diameter: float) -> npt.NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(diameter / 2) + 1,) * 2), np.uint8)


def _fit(area: Area) -> Fan | None:
    height, width = area.shape
    if area.mean() < 0.05 or area.mean() > 0.97:
        return None
    rows = np.flatnonzero(area.any(axis=1))
    first = area[rows].argmax(axis=1)
    last = width - 1 - area[rows][:, ::-1].argmax(axis=1)
    near = max(NEAR * max(height, width), 0.75)
    # Rows in which the area reaches the border of the image do not show the edge of the fan.
    lefts = _lines(rows[first > 0], -first[first > 0], near)  # mirrored, so that outwards is up for both
    rights = _lines(rows[last < width - 1], last[last < width - 1], near)
    best, edges = 0.0, None
    for left, right in product(lefts, rights):
        opening = np.degrees(np.arctan(left.slope) + np.arctan(right.slope))
        if not ANGLES[0] <= opening <= ANGLES[1]:
            continue
        tilt = np.degrees(np.arctan(right.slope) - np.arctan(left.slope)) / 2
        apex = -(left.offset + right.offset) / (left.slope + right.slope)
        if not rows[0] - 0.5 * len(rows) <= apex <= rows[0] + 0.25 * len(rows):
            continue
        score = (left.support + right.support) * (1 + np.exp(-((tilt / UPRIGHT) ** 2)))
        if score > best:
            best, edges = score, (left, right, apex)
    if edges is None:
        return None
    left, right, y = edges
    x = right.slope * y + right.offset
    return _with_arcs(area, float(x), float(y), -float(np.arctan(left.slope)), float(np.arctan(right.slope)))


@dataclass(frozen=True, slots=True)
class Line:
    """A line ``outwards = slope * row + offset``, and the weight share of the points on it."""

    slope: float
    offset: float
    support: float


def _lines(rows: npt.NDArray[np.intp], outwards: npt.NDArray[np.intp], near: float) -> list[Line]:
    """Find lines with many points on them and hardly any outside, as a fan is convex and may be dark inside.

    All pairs of evenly spaced points are tried, so the result is deterministic. Points near the probe have a larger
    weight, because the edge fades with distance.
    """
    if len(rows) < 8:
        return []
    weights = np.linspace(1.0, FADED, len(rows))
    candidates = np.unique(np.linspace(0, len(rows) - 1, TRIES).round().astype(int))
    lines = []
    for i, j in combinations(candidates, 2):
        slope = (outwards[j] - outwards[i]) / (rows[j] - rows[i])
        beyond = outwards - outwards[i] - slope * (rows - rows[i])
        on_line = np.abs(beyond) <= near
        if on_line.mean() >= ON_THE_LINE and (beyond > near).mean() <= OUTSIDE:
            slope, offset = np.polyfit(rows[on_line], outwards[on_line], 1)
            lines.append(Line(float(slope), float(offset), float(weights[on_line].sum() / weights.sum())))
    return lines


def _with_arcs(area: Area, x: float, y: float, left: float, right: float) -> Fan | None:
    """Add the two arcs from the nearest and farthest pixels of the area in narrow beams from the apex."""
    rows, columns = np.nonzero(area)
    angle = np.arctan2(columns - x, rows - y)
    distance = np.hypot(columns - x, rows - y)
    beams = np.linspace(left, right, 33)
    nearest, farthest = [], []
    for start, stop in pairwise(beams[2:-2]):  # without the edges, where the corners are round
        inside = distance[(angle >= start) & (angle < stop)]
        if len(inside):
            nearest.append(inside.min())
            farthest.append(inside.max())
    if len(farthest) < 10:
        return None
    # The far arc is dark in places and may be cut by the border of the image, so beams can end too early but never
    # too late: a high percentile is robust.
    near, far = float(np.percentile(nearest, 25)), float(np.percentile(farthest, 85))
    return Fan(x, y, left, right, max(near, 0.0), far) if far > near + 8 else None
