"""Draw the diastolic heart as a map of echo levels, and the leaflets that open and close."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from echokit.phantom.beat import Beats
from echokit.phantom.case import PhantomCase
from echokit.phantom.motion import endocardium, epicardium, from_diastole
from echokit.phantom.scanner import as_float32, cut
from echokit.phantom.ventricle import ventricle_at

Array = npt.NDArray[np.float64]
Levels = npt.NDArray[np.float32]

BLOOD = -62.0
LEAFLET = -5.0


@dataclass(frozen=True, slots=True)
class Grid:
    """A square grid in heart coordinates: ``count`` nodes ``step`` mm apart."""

    x: float = -112.0
    y: float = -42.0
    step: float = 0.9
    count: int = 250

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
        return as_float32(as_float32(smooth) / 3 - 80)


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Landmarks of the diastolic heart, in mm of heart coordinates.

    Attributes:
        base: Half diameter of the mitral annulus, which lies at y = ``mitral``.
        mitral, tricuspid: y of the two valves; the tricuspid one lies nearer to the apex.
        septum: x of the right side of the septum at the base.
        rv_left: x of the lateral tricuspid annulus.
        la_x, la_y, ra_x, ra_y: Middles of the atria.
    """

    base: float
    mitral: float
    tricuspid: float
    septum: float
    rv_left: float
    la_x: float
    la_y: float
    ra_x: float
    ra_y: float

    @classmethod
    def of(cls, case: PhantomCase) -> Landmarks:
        """Place the landmarks of a case."""
        base = float(ventricle_at(case, np.zeros(1)).base_half_width[0])
        septum, tricuspid = -base - case.wall, case.length - 5
        return cls(
            base=base,
            mitral=case.length,
            tricuspid=tricuspid,
            septum=septum,
            rv_left=septum - case.rv_width,
            la_x=0.12 * base,
            la_y=case.length + case.la_height - 3,
            ra_x=septum - 0.85 * case.ra_width,
            ra_y=tricuspid + case.ra_height - 2,
        )


def draw_anatomy(case: PhantomCase, rng: np.random.Generator) -> Levels:
    """Draw the diastolic heart on ``TISSUE_GRID``.

    Args:
        case: The heart.
        rng: For the texture of its tissue.

    Returns:
        (count, count) float32 echo levels in dB.
    """
    heart = ventricle_at(case, np.zeros(1))
    septal, lateral = (edge[0] for edge in endocardium(case, heart, np.linspace(0, 1, 60)))
    outer = epicardium(case, heart)[0]
    outer_septal, outer_lateral = outer[: len(outer) // 2], outer[len(outer) // 2 :]
    at = Landmarks.of(case)
    canvas = _Canvas(-46)

    # Lung and mediastinum: haze around the heart, a broad bright band behind the atria and lateral of the wall.
    canvas.fill(_ellipse(at.septum + 14, at.mitral + 18, 84, 64), -32)
    canvas.line(outer_lateral + np.array([2.5, 0]), case.pericardium - 7, 6)
    canvas.fill(_ellipse(at.la_x, at.la_y + 7, case.la_width + 9, case.la_height + 9), -20)
    canvas.fill(_ellipse(at.ra_x, at.ra_y + 5, case.ra_width + 7, case.ra_height + 8), -22)

    # Right ventricle: a triangle of blood between septum and a thin free wall, with the moderator band.
    on_rv = (outer_septal[:, 1] > 0.30 * at.mitral) & (outer_septal[:, 1] < at.tricuspid)
    septum = outer_septal[on_rv][::-1]
    t = np.linspace(0, 1, 20)[:, None]
    bulge, ring = np.array([at.rv_left - 8, 0.5 * at.mitral]), np.array([at.rv_left, at.tricuspid])
    free = (1 - t) ** 2 * septum[0] + 2 * t * (1 - t) * bulge + t**2 * ring
    canvas.fill(np.concatenate([septum, free[::-1]]), BLOOD)
    canvas.line(free, case.myocardium, 5)
    canvas.line(free - np.array([3, 0]), case.pericardium - 6, 2)
    canvas.line(np.stack([septum[int(0.35 * len(septum))], free[9]]), case.myocardium - 4, 2.5)

    # Left ventricle: wall, brighter septum, pericardium, cavity.
    canvas.fill(outer, case.myocardium)
    canvas.fill(np.concatenate([septal[12:], septum[::-1]]), case.septum)
    canvas.line(septum, case.septum + 2, 1.6)
    canvas.line(outer_lateral[3:], case.pericardium, 2)
    canvas.fill(np.concatenate([septal, lateral[::-1]]), BLOOD)
    canvas.line(septal[12:], case.septum + 2, 1)

    # Atria with bright roofs, and the septum between them, thin and nearly lost at the oval fossa.
    for x, y, width, height in (
        (at.ra_x, at.ra_y, case.ra_width, case.ra_height),
        (at.la_x, at.la_y, case.la_width, case.la_height),
    ):
        canvas.line(_ellipse(x, y, width, height), -17, 3)
        canvas.line(_ellipse(x, y, width + 1, height + 1, 0.6, 2.5), case.pericardium, 3)
        canvas.fill(_ellipse(x, y, width, height), BLOOD)
    canvas.fill(_box(-at.base, at.mitral - 6, at.base, at.mitral + 10, 0.2 * at.base), BLOOD)
    canvas.fill(_box(at.rv_left + 4, at.tricuspid - 5, at.septum - 1, at.tricuspid + 10, 2), BLOOD)
    crux_x, crux_y = (at.septum - at.base) / 2, at.mitral - 1
    septum_y = np.array([0, 12, 20, at.la_y + case.la_height - 2 - crux_y])
    between = np.stack([crux_x + np.linspace(0, 2, 4), crux_y + septum_y], -1)
    canvas.line(between, -16, 3)
    canvas.line(between[1:3], -26, 4)

    # Fibrous rings.
    canvas.fill(_ellipse(crux_x, crux_y, 4, 4), -7)
    canvas.fill(_ellipse(at.base + 0.45 * case.wall, at.mitral, 3.5, 3.5), -8)
    canvas.fill(_ellipse(at.rv_left, at.tricuspid, 3, 3), -10)
    return canvas.levels() + _texture(rng)


def _texture(rng: np.random.Generator) -> Levels:
    """Draw brighter and darker patches of tissue: (count, count) float32 dB."""
    import cv2

    size = (TISSUE_GRID.count, TISSUE_GRID.count)
    texture = np.zeros(size, np.float32)
    for cells, spread in ((20, 3.0), (64, 2.5)):
        patches = cv2.resize(cut(rng, cells, cells)[..., 0].copy(), size, interpolation=cv2.INTER_CUBIC)
        texture += spread * as_float32(patches)
    return texture


def _ellipse(x: float, y: float, width: float, height: float, start: float = 0, stop: float = 2 * np.pi) -> Array:
    angle = np.linspace(start, stop, 60)
    return np.stack([x + width * np.cos(angle), y + height * np.sin(angle)], -1)


def _box(left: float, top: float, right: float, bottom: float, taper: float) -> Array:
    return np.array([[left, top], [right, top], [right - taper, bottom], [left + taper, bottom]])


def leaflet_paths(case: PhantomCase, beats: Beats) -> Array:
    """Return the mitral and the tricuspid leaflets of every frame.

    Returns:
        (frames, 4, 5, 2) points from hinge to tip, in heart mm.
    """
    contraction = np.clip(beats.contraction, 0, 1)
    heart = ventricle_at(case, contraction)
    base, length = heart.base_half_width, heart.length
    mitral = np.stack([np.stack([-base, length], -1), np.stack([base, length], -1)], 1)
    anatomy = Landmarks.of(case)
    rings = np.array([[anatomy.rv_left, anatomy.tricuspid], [anatomy.septum, anatomy.tricuspid]])
    steps = np.linspace(0, 1, 3)
    moved = np.stack([from_diastole(case, rings, float(step)) for step in steps]).reshape(3, 4)
    followed = np.stack([np.interp(contraction, steps, place) for place in moved.T], -1)
    tricuspid = followed.reshape(-1, 2, 2)
    wide = case.mitral_opening
    return np.concatenate(
        [
            _leaflets(mitral, beats.opening, 0.58, np.array([0.62, 0.45]), wide),
            _leaflets(tricuspid, beats.opening, 0.55, np.array([0.55, 0.45]), wide),
        ],
        1,
    )


def _leaflets(rings: Array, opening: Array, meet: float, long: Array, wide: float) -> Array:
    """Swing two leaflets about their hinges: (frames, 2, 5, 2)."""
    span = rings[:, 1] - rings[:, 0]
    tips = (rings[:, 0] + span * meet + [0, -4.0])[:, None] - rings
    opened = np.array([[0.50, -0.86], [-0.36, -0.93]]) * [2 - wide, wide]
    full = long * np.hypot(*span[0])
    shut_angle, open_angle = np.arctan2(tips[..., 0], -tips[..., 1]), np.arctan2(opened[:, 0], -opened[:, 1])
    share = opening[:, None]
    angle = (shut_angle + (open_angle - shut_angle) * share)[..., None]
    reach = (np.hypot(tips[..., 0], tips[..., 1]) * (1 - share) + full * share)[..., None]
    along = np.linspace(0, 1, 5)
    # The belly is bowed towards the atrium while closed, and straight while open.
    bow = 0.10 * reach * (1 - share[..., None]) * np.sin(np.pi * along)
    path = np.stack([reach * along * np.sin(angle), bow - reach * along * np.cos(angle)], -1)
    paths: Array = rings[:, :, None] + path
    return paths
