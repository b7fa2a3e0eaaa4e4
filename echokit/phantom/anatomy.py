"""The diastolic heart as a map of echo levels, and the leaflets that open and close."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from echokit.phantom.cases import PhantomCase
from echokit.phantom.motion import endocardium, epicardium, from_diastole
from echokit.phantom.ventricle import ventricle_at

Array = npt.NDArray[np.float64]
Levels = npt.NDArray[np.float32]

BLOOD = -62.0
LEAFLET = -9.0


@dataclass(frozen=True, slots=True)
class Grid:
    """A square grid over the heart's frame of reference: ``count`` nodes ``step`` mm apart from (x, y) on."""

    x: float = -112.0
    y: float = -42.0
    step: float = 0.8
    count: int = 282

    def to_nodes(self) -> Array:
        """Return the (2, 3) affine map from mm to node numbers."""
        return np.array([[1 / self.step, 0, -self.x / self.step], [0, 1 / self.step, -self.y / self.step]])

    def nodes(self) -> tuple[Array, Array]:
        """Return x and y in mm of all nodes, (count, count) each."""
        along = np.arange(self.count) * self.step
        x, y = np.meshgrid(along + self.x, along + self.y)
        return x, y


TISSUE_GRID = Grid()


class _Canvas:
    """Echo levels in dB, drawn antialiased into 8 bits: -80 dB is 0, 0 dB is 240."""

    def __init__(self, background: float) -> None:
        self.codes = np.full((TISSUE_GRID.count, TISSUE_GRID.count), self.code(background), np.uint8)

    @staticmethod
    def code(level: float) -> int:
        return int(np.clip(round((level + 80) * 3), 0, 255))

    @staticmethod
    def points(outline: Array) -> npt.NDArray[np.int32]:
        nodes = (outline - [TISSUE_GRID.x, TISSUE_GRID.y]) / TISSUE_GRID.step
        return np.round(nodes * 16).astype(np.int32)

    def fill(self, outline: Array, level: float) -> None:
        import cv2

        cv2.fillPoly(self.codes, [self.points(outline)], self.code(level), cv2.LINE_AA, 4)

    def line(self, path: Array, level: float, width: float) -> None:
        import cv2

        thickness = max(1, round(width / TISSUE_GRID.step))
        cv2.polylines(self.codes, [self.points(path)], False, self.code(level), thickness, cv2.LINE_AA, 4)

    def levels(self) -> Levels:
        import cv2

        smooth = cv2.GaussianBlur(self.codes, (0, 0), 0.7)
        return smooth.astype(np.float32) / 3 - 80


def _ellipse(
    x: float, y: float, width: float, height: float, start: float = 0, stop: float = 2 * np.pi
) -> Array:
    angle = np.linspace(start, stop, 60)
    return np.stack([x + width * np.cos(angle), y + height * np.sin(angle)], -1)


def draw_anatomy(case: PhantomCase) -> Levels:
    """Draw the diastolic heart on ``TISSUE_GRID``: (count, count) float32 echo levels in dB."""
    heart = ventricle_at(case, np.array([0.0]))
    septal, lateral = (edge[0] for edge in endocardium(case, heart, np.linspace(0, 1, 60)))
    outer = epicardium(case, heart)[0]
    length, wall = case.length, case.wall
    base = float(heart.base_half_width[0])
    valve = length - 5  # the tricuspid valve lies nearer to the apex than the mitral
    septum_x = -base - wall  # right side of the septum at the base
    rv_left = septum_x - case.rv_width

    canvas = _Canvas(-44)
    # Tissue behind the atria and beside the lateral wall: a broad bright band, as lung and mediastinum give.
    roof_l, roof_r = length + 2 * case.la_height, length + 2 * case.ra_height
    canvas.fill(_ellipse((septum_x + rv_left) / 2 + 30, length + 20, 84, 64), -30)
    canvas.line(outer[len(outer) // 2 :] + [2.5, 0], case.pericardium - 6, 6)
    canvas.fill(_ellipse(-4, length + case.la_height + 4, case.la_width + 9, case.la_height + 11), -19)
    canvas.fill(
        _ellipse(septum_x - 15, length + case.ra_height + 3, case.ra_width + 7, case.ra_height + 9), -21
    )

    # Right ventricle: a triangle of blood between septum and a thin free wall.
    apex_y = 0.30 * length
    rim = outer[: len(outer) // 2]
    along = rim[(rim[:, 1] > apex_y) & (rim[:, 1] < valve)]
    along = along[np.argsort(along[:, 1])]
    t = np.linspace(0, 1, 20)[:, None]
    free = (
        (1 - t) ** 2 * along[0]
        + 2 * t * (1 - t) * np.array([rv_left - 8, 0.5 * length])
        + t**2 * [rv_left, valve]
    )
    canvas.fill(np.concatenate([along, free[::-1]]), BLOOD)
    canvas.line(free, case.myocardium + 1, 5)
    canvas.line(free - [3, 0], case.pericardium - 5, 2)
    band = 0.35
    canvas.line(np.stack([along[int(len(along) * band)], free[9]]), case.myocardium - 3, 2.5)

    # Left ventricle: wall, brighter septum, pericardium, cavity.
    canvas.fill(outer, case.myocardium)
    canvas.fill(np.concatenate([septal, along[::-1]]), case.septum)
    canvas.line(along, case.septum + 3, 1.6)
    canvas.line(outer[len(outer) // 2 + 3 :], case.pericardium, 2)
    canvas.fill(np.concatenate([septal, lateral[::-1]]), BLOOD)
    canvas.line(septal[8:], case.septum + 3, 1)

    # Atria, their walls and septum.
    la = _ellipse(base * 0.12, length + case.la_height - 3, case.la_width, case.la_height)
    ra_x = septum_x - case.ra_width * 0.85
    ra = _ellipse(ra_x, valve + case.ra_height - 2, case.ra_width, case.ra_height)
    canvas.line(ra, -16, 3)
    canvas.line(la, -15, 3)
    canvas.fill(ra, BLOOD)
    canvas.fill(la, BLOOD)
    canvas.fill(
        np.array(
            [[-base, length - 6], [base, length - 6], [base * 0.8, length + 10], [-base * 0.8, length + 10]]
        ),
        BLOOD,
    )
    canvas.fill(
        np.array(
            [
                [rv_left + 4, valve - 5],
                [septum_x - 1, valve - 5],
                [septum_x - 2, valve + 10],
                [rv_left + 6, valve + 10],
            ]
        ),
        BLOOD,
    )
    crux = np.array([(septum_x - base) / 2, length - 1])
    inner = np.stack([crux, crux + [1.0, 18.0], [crux[0] + 2, length + 2 * case.la_height - 4]])
    canvas.line(inner, -14, 3)
    canvas.line(inner[:2] + [0, 10.0], -24, 3)  # the oval fossa: thin and along the beam, so nearly lost
    canvas.line(
        _ellipse(base * 0.12, length + case.la_height - 3, case.la_width + 1, case.la_height + 1, 0.5, 2.4),
        case.pericardium,
        3,
    )
    canvas.line(
        _ellipse(ra_x, valve + case.ra_height - 2, case.ra_width + 1, case.ra_height + 1, 0.7, 2.6),
        case.pericardium - 2,
        3,
    )

    # Fibrous rings.
    canvas.fill(_ellipse(crux[0], crux[1], 4, 4), -6)
    canvas.fill(_ellipse(base + wall * 0.45, length, 3.5, 3.5), -7)
    canvas.fill(_ellipse(rv_left, valve, 3, 3), -9)
    return canvas.levels()


@dataclass(frozen=True, slots=True)
class Leaflet:
    """One valve leaflet at a fixed set of contractions.

    Attributes:
        hinge: (n, 2) place of its hinge in heart mm.
        closed, opened: (n, 2) its tip when the valve is closed or wide open, relative to the hinge.
    """

    hinge: Array
    closed: Array
    opened: Array

    def path(self, node: float, opening: float) -> Array:
        """Return the (5, 2) path in heart mm at a fractional contraction node and an opening from 0 to 1."""
        low = min(int(node), len(self.hinge) - 2)
        share = node - low

        def at(points: Array) -> Array:
            return points[low] * (1 - share) + points[low + 1] * share

        hinge, closed, opened = at(self.hinge), at(self.closed), at(self.opened)
        angles = [np.arctan2(tip[0], -tip[1]) for tip in (closed, opened)]
        angle = angles[0] + (angles[1] - angles[0]) * opening
        reach = np.hypot(*closed) * (1 - opening) + np.hypot(*opened) * opening
        t = np.linspace(0, 1, 5)
        # Belly of the leaflet: bowed towards the atrium while closed, straight while open.
        bow = 0.10 * reach * (1 - opening) * np.sin(np.pi * t)
        along = np.array([np.sin(angle), -np.cos(angle)])
        side = np.array([0.0, 1.0])
        path: Array = hinge + reach * t[:, None] * along + bow[:, None] * side
        return path


def leaflets_of(case: PhantomCase, contractions: Array) -> list[Leaflet]:
    """Return the mitral and tricuspid leaflets at each of the contractions."""
    heart = ventricle_at(case, contractions)
    base, length = heart.base_half_width, heart.length
    septum_x = -base[0] - case.wall
    valve = case.length - 5

    def followed(x: float, y: float) -> Array:
        return np.array([from_diastole(case, x, y, float(c)) for c in contractions])

    mitral_left = np.stack([-base, length], -1)
    mitral_right = np.stack([base, length], -1)
    tricuspid_left = followed(septum_x - case.rv_width, valve)
    tricuspid_right = followed(septum_x, valve)

    def pair(left: Array, right: Array, meet: float, long: tuple[float, float]) -> list[Leaflet]:
        span = right - left
        width = np.hypot(span[:, 0], span[:, 1])[0]
        point = left + span * meet + [0, -4.0]
        openings = np.array([[0.50, -0.86], [-0.36, -0.93]]) * (np.array(long) * width)[:, None]
        swing = case.mitral_opening
        return [
            Leaflet(left, point - left, np.broadcast_to(openings[0] * [2 - swing, swing], left.shape)),
            Leaflet(right, point - right, np.broadcast_to(openings[1] * [2 - swing, swing], right.shape)),
        ]

    return [
        *pair(mitral_left, mitral_right, 0.58, (0.62, 0.45)),
        *pair(tricuspid_left, tricuspid_right, 0.55, (0.55, 0.45)),
    ]
