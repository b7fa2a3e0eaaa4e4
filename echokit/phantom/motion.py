"""Model how tissue moves with contraction, and how the heart moves in the sector.

Two frames of reference, both in mm: the *heart* (origin at the ventricle's apex, x towards the lateral wall, y along
the long axis towards the atria) and the *sector* (origin at the probe, x to the viewer's right, y in depth).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from echokit.phantom.beat import Beats, contraction_at
from echokit.phantom.case import PhantomCase
from echokit.phantom.ventricle import Ventricle, ventricle_at

Array = npt.NDArray[np.float64]

ATRIAL_REACH = 45.0  # mm below the mitral plane at which the atrial roof stands still
SURROUNDING_REACH = 28.0  # mm over which the motion of the wall dies away outside it


def bend_at(case: PhantomCase, y: Array) -> Array:
    """Return the sideways bow of the ventricle at y mm from the apex, in mm."""
    return case.bend * np.sin(np.pi * np.clip(y / case.length, 0, 1))


def to_diastole(case: PhantomCase, x: Array, y: Array, contraction: float) -> tuple[Array, Array]:
    """Map points (x, y) of the heart to their positions at end-diastole, in mm.

    Inside the ventricle the map takes each diameter of the section to the diastolic one, so the drawn contour is
    the section of ``ventricle_at`` exactly. The wall thickens, the atrioventricular plane descends, the
    surroundings follow less and less.
    """
    now, diastole = ventricle_at(case, np.array([contraction])), ventricle_at(case, np.array([0.0]))
    length, width, wall = now.length[0], now.half_width[0], now.wall[0]
    full, full_width, full_wall = diastole.length[0], diastole.half_width[0], diastole.wall[0]

    # Along the axis: the mitral plane returns to its diastolic place, and everything with it.
    descent = full - length
    share = np.where(y <= length, np.clip(y / length, 0, None), 1 - (y - length) / ATRIAL_REACH)
    beyond = np.maximum(x - (full_width + full_wall), -x - (full_width + full_wall + case.rv_width + 8))
    share = np.clip(share, 0, 1) * np.exp(-np.clip(beyond, 0, None) / SURROUNDING_REACH)
    right = np.clip((-x - full_width - full_wall) / case.rv_width, 0, 1)
    y1 = y + descent * share * (1 + case.tricuspid_motion * right)

    # Across: along rays from the middle of the ellipse through cavity, wall and surroundings.
    x1 = x - bend_at(case, y1)
    middle = now.section.centre * full
    rho = np.hypot(x1 / width, (y1 - middle) / middle) + 1e-9
    ray = np.hypot(x1, y1 - middle) / rho  # distance of the cavity's edge on this ray
    out_x, out_y = x1 / rho * full_width / width, (y1 - middle) / rho
    full_ray = np.hypot(out_x, out_y)
    depth = (rho - 1) * ray  # beyond the edge
    through = np.clip(depth, 0, None)
    full_depth = np.where(through < wall, through * full_wall / wall, through - wall + full_wall)
    outside = np.clip(depth - wall, 0, None)
    follow = np.exp(-outside / SURROUNDING_REACH) * np.clip(1 - (y1 - full) / 18, 0, 1)
    scale = 1 + full_depth / full_ray
    x2 = np.where(depth < 0, x1 * full_width / width, out_x * scale)
    y2 = np.where(depth < 0, y1, middle + out_y * scale)
    dx, dy = (x2 - x1) * follow, (y2 - y1) * follow

    # The free wall of the right ventricle moves inward, towards the septum.
    leftness = np.clip(-x1 / (rho * width), 0, 1) * np.clip(1 - (y1 - full) / 12, 0, 1)
    reach = np.minimum(outside, case.rv_width) * np.exp(-np.clip(outside - case.rv_width, 0, None) / 12)
    dx = dx - case.rv_motion * contraction * reach * leftness
    return x1 + dx + bend_at(case, y1), y1 + dy


def from_diastole(case: PhantomCase, points: Array, contraction: float) -> Array:
    """Map (k, 2) points of the diastolic heart to a contraction.

    The inverse of ``to_diastole``.
    """
    place = points
    for _ in range(8):
        place = place + 0.8 * (points - np.stack(to_diastole(case, place[:, 0], place[:, 1], contraction), -1))
    return place


def endocardium(case: PhantomCase, heart: Ventricle, s: Array) -> tuple[Array, Array]:
    """Cavity edge at the fractions s of the long axis.

    Returns:
        Two (n, k, 2) arrays, septal and lateral points (x, y) in heart mm, for n contractions and k fractions.
    """
    y = heart.length[:, None] * s
    half = heart.half_width[:, None] * heart.section.profile(s)
    middle = bend_at(case, case.length * s)
    return np.stack([middle - half, y], -1), np.stack([middle + half, y], -1)


def epicardium(case: PhantomCase, heart: Ventricle, points: int = 48) -> Array:
    """Return the outer edge of the wall: (n, points, 2) mm.

    From the septal to the lateral end of the mitral plane.
    """
    middle = heart.section.centre * case.length
    # Angles of the ellipse; the outer edge meets the mitral plane somewhat outside of the cavity's edge.
    angle = np.linspace(-0.5 * np.pi - 2.6, -0.5 * np.pi + 2.6, points)
    x = heart.half_width[:, None] * np.cos(angle)
    y = np.broadcast_to(middle * np.sin(angle), x.shape)
    scale = 1 + heart.wall[:, None] / np.hypot(x, y)
    x, y = x * scale, y * scale + middle
    x = x + bend_at(case, y)
    y = np.where(y > 0, y * heart.length[:, None] / case.length, y)
    return np.stack([x, np.minimum(y, heart.length[:, None])], -1)


@dataclass(frozen=True, slots=True)
class Pose:
    """Pose of the heart in the sector: apex in mm, tilt in radians.

    All have the shape (frames,).
    """

    x: Array
    y: Array
    tilt: Array

    def to_sector(self, points: Array) -> Array:
        """Map (frames, k, 2) points from heart to sector, in mm."""
        cos, sin = np.cos(self.tilt)[:, None], np.sin(self.tilt)[:, None]
        x, y = points[..., 0], points[..., 1]
        return np.stack([self.x[:, None] + cos * x + sin * y, self.y[:, None] - sin * x + cos * y], -1)

    def to_heart(self, frame: int) -> Array:
        """Return the (2, 3) affine map from sector to heart of one frame, in mm."""
        cos, sin = np.cos(self.tilt[frame]), np.sin(self.tilt[frame])
        turn = np.array([[cos, -sin], [sin, cos]])
        return np.hstack([turn, -turn @ [[self.x[frame]], [self.y[frame]]]])


def slow_course(case: PhantomCase, beats: Beats, number: int) -> Array:
    """Return one of five independent slow courses of about unit amplitude: (frames,)."""
    slow, fast = (2 * np.pi * rate * beats.time for rate in case.drift_rates)
    first, second = case.drift_phases[2 * number : 2 * number + 2]
    return np.sin(slow + first) + 0.2 * np.sin(fast + second)


def pose_of(case: PhantomCase, beats: Beats) -> Pose:
    """Place the heart: its pose, a slow drift, and a swing with each beat.

    None of it depends on the ejection fraction. The drift spoils whatever does not know the order of frames; slow as
    it is, it hardly changes the motion from one frame to the next.
    """
    swing = contraction_at(case, (beats.phase - case.swing_lag) % 1.0)
    x = case.x + case.drift_x * slow_course(case, beats, 0) + case.swing_x * swing
    y = case.y + case.drift_y * slow_course(case, beats, 1) + case.swing_y * swing
    rock = case.rocking * slow_course(case, beats, 2)
    cos, sin = np.cos(rock), np.sin(rock)
    return Pose(cos * x + sin * y, cos * y - sin * x, case.tilt + rock + case.swing_tilt * swing)
