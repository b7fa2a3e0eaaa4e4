"""The geometry of a fan, and how it is fitted to one grey picture."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise, product

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.floating]
Area = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]

SIDE = 256  # pixels of the longer side of the picture that is fitted
BACKGROUND = 0.06  # of the 99th percentile of the grey levels: darker is background
SPECKLE_GAP = 0.03  # of the side: gaps between speckles are closed
CHARACTER = 0.05  # of the side: what is thinner is text, a ruler or a trace
NEAR = 0.012  # of the side: a point this near to a line lies on it
TRIES = 24  # points of an edge between which lines are tried, all pairs
ON_THE_LINE = 0.2  # share of an edge's rows that must lie on its line: far from the probe edges are often dark
OUTSIDE = 0.03  # share of an edge's rows that may lie outside its line
FADED = 0.2  # weight of a point farthest from the probe, against 1 for the nearest
UPRIGHT = 8.0  # degrees: a fan that is tilted by more than about this is less likely
ANGLES = (20.0, 130.0)  # degrees between the edges of a fan


@dataclass(frozen=True, slots=True)
class Fan:
    """A fan in pixels of the picture that it was found in.

    Attributes:
        x, y: Where the two edges meet, usually above the picture or at its top.
        left, right: Angles of the edges in radians from straight down, positive to the right.
        near, far: Distances of the two arcs from there.
    """

    x: float
    y: float
    left: float
    right: float
    near: float
    far: float

    def region(self, height: int, width: int, margin: float = 0.0) -> Area:
        """(height, width) bool: what lies in the fan, widened by a share of its depth.

        Args:
            height, width: Of the picture.
            margin: Share of the depth.
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
        """The fan in a picture that is larger by a factor; pixel centres lie on whole numbers."""
        x, y = ((value + 0.5) * factor - 0.5 for value in (self.x, self.y))
        return Fan(x, y, self.left, self.right, self.near * factor, self.far * factor)


def find_fan(picture: Picture) -> Fan | None:
    """Find the fan in one picture; None where there is none.

    Args:
        picture: (H, W) grey levels, best the mean over a clip.
    """
    import cv2

    height, width = picture.shape
    factor = max(height, width) / SIDE
    small = picture.astype(np.float32)
    if factor > 1:
        size = (max(round(width / factor), 1), max(round(height / factor), 1))
        small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    fan = _fit(_lit(small))
    return fan.scaled(factor) if fan is not None and factor > 1 else fan


def _lit(picture: npt.NDArray[np.float32]) -> Area:
    """The largest thick area that is brighter than the background."""
    import cv2

    side = max(picture.shape)
    bright = picture > max(BACKGROUND * float(np.percentile(picture, 99)), 2.0)
    edge = int(side * CHARACTER) + 2  # a margin, so that what touches the border of the picture is not worn away
    padded = np.pad(bright.astype(np.uint8), edge)
    opened = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, _disc(side * SPECKLE_GAP))
    opened = cv2.morphologyEx(opened, cv2.MORPH_OPEN, _disc(side * CHARACTER))[edge:-edge, edge:-edge]
    count, labels, facts, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(opened))
    if count < 2:
        return np.zeros(picture.shape, bool)
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
    # Where the area touches the border of the picture, the border and not the fan ends it.
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
        worth = (left.support + right.support) * (1 + np.exp(-((tilt / UPRIGHT) ** 2)))
        if worth > best:
            best, edges = worth, (left, right, apex)
    if edges is None:
        return None
    left, right, y = edges
    x = right.slope * y + right.offset
    return _with_arcs(area, float(x), float(y), -float(np.arctan(left.slope)), float(np.arctan(right.slope)))


@dataclass(frozen=True, slots=True)
class Line:
    """``outwards = slope * row + offset``, and the weight of the points on it as a share of all."""

    slope: float
    offset: float
    support: float


def _lines(rows: npt.NDArray[np.intp], outwards: npt.NDArray[np.intp], near: float) -> list[Line]:
    """Lines with enough points on them and next to none beyond: a fan is convex, and dark parts lie inside.

    Every pair of some evenly spread points is tried: no chance, so the same picture has the same fan. Points near the
    probe weigh more: there the edge is bright, far from it the fan fades.
    """
    if len(rows) < 8:
        return []
    weights = np.linspace(1.0, FADED, len(rows))
    chosen = np.unique(np.linspace(0, len(rows) - 1, TRIES).round().astype(int))
    found = []
    for i, j in combinations(chosen, 2):
        slope = (outwards[j] - outwards[i]) / (rows[j] - rows[i])
        beyond = outwards - outwards[i] - slope * (rows - rows[i])
        on = np.abs(beyond) <= near
        if on.mean() >= ON_THE_LINE and (beyond > near).mean() <= OUTSIDE:
            slope, offset = np.polyfit(rows[on], outwards[on], 1)
            found.append(Line(float(slope), float(offset), float(weights[on].sum() / weights.sum())))
    return found


def _with_arcs(area: Area, x: float, y: float, left: float, right: float) -> Fan | None:
    """Add the two arcs: in each narrow beam from the apex, how near and how far the area reaches."""
    rows, columns = np.nonzero(area)
    angle = np.arctan2(columns - x, rows - y)
    distance = np.hypot(columns - x, rows - y)
    beams = np.linspace(left, right, 33)
    nearest, farthest = [], []
    for start, stop in pairwise(beams[2:-2]):  # not the edges, where corners are round
        inside = distance[(angle >= start) & (angle < stop)]
        if len(inside):
            nearest.append(inside.min())
            farthest.append(inside.max())
    if len(farthest) < 10:
        return None
    # The far arc is dark in places: beams end too early, never too late, so the upper quarter tells it. Where the
    # picture's border cuts beams off, these are the shorter ones too.
    near, far = float(np.percentile(nearest, 25)), float(np.percentile(farthest, 85))
    return Fan(x, y, left, right, max(near, 0.0), far) if far > near + 8 else None
