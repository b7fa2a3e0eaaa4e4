"""Model the left ventricle over one contraction: an exact solid, its section in the view, and volumes.

The ventricle is the linear image of a unit sphere cut off at the mitral plane. The view is a plane through the
centre of the mitral valve; a foreshortened one misses the apex. In the sphere this section is a circle, in the
view it is an ellipse cut off at the base: diameters ``2 p(s)`` at the fractions ``s`` of the view's long axis, from
the apex (0) to the base (1). So both volumes have closed forms:

- of the view, by the method of disks: ``pi L integral p(s)^2 ds``;
- of the solid: ``pi a b c integral_{-1}^{truncation} (1 - z^2) dz``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from echokit.phantom.case import PhantomCase

Array = npt.NDArray[np.float64]
DISKS = 20


@dataclass(frozen=True, slots=True)
class Section:
    """The view's ellipse, in fractions of the long axis.

    Attributes:
        centre: Fraction of the long axis, from the apex, at which the ellipse is widest; also its semi-axis there.
        radius: In-plane semi-axis of the ellipse over that of the solid.
        reach: Length of the section in the unit sphere.
        across, along: Squared shares of the out-of-plane and long semi-axis in the direction of the long axis.
    """

    centre: float
    radius: float
    reach: float
    across: float
    along: float

    @property
    def volume_factor(self) -> float:
        """Return the integral of (p / widest p)^2 over the long axis."""
        beyond = (1 - self.centre) / self.centre
        return self.centre * (2 / 3 + beyond - beyond**3 / 3)

    def profile(self, s: Array) -> Array:
        """Return half diameters at fractions of the long axis, relative."""
        return np.sqrt(np.clip(1 - ((s - self.centre) / self.centre) ** 2, 0, None))


def section_of(case: PhantomCase) -> Section:
    """Return the section shown by the foreshortened view of a case."""
    z, angle = case.truncation, case.foreshortening_angle
    middle = z * np.cos(angle)
    radius = np.sqrt(1 - z**2 * np.sin(angle) ** 2)
    reach = middle + radius
    return Section(
        centre=float(radius / reach),
        radius=float(radius),
        reach=float(reach),
        across=float(np.sin(angle) ** 2),
        along=float(np.cos(angle) ** 2),
    )


@dataclass(frozen=True, slots=True)
class Ventricle:
    """Left ventricle at the contractions given; arrays have one value a contraction.

    Attributes:
        section: The view's ellipse.
        length: Long axis of the view in mm.
        half_width: Largest half diameter in the view in mm.
        wall: Wall thickness in mm; the wall keeps its volume.
        volume: Volume in ml of the view, by the method of disks.
        true_volume: Volume in ml of the solid.
        true_length: Long axis of the solid in mm.
    """

    section: Section
    length: Array
    half_width: Array
    wall: Array
    volume: Array
    true_volume: Array
    true_length: Array

    @property
    def base_half_width(self) -> Array:
        """Return the half diameter at the mitral annulus in mm."""
        return self.half_width * self.section.profile(np.array([1.0]))


def ventricle_at(case: PhantomCase, contraction: Array) -> Ventricle:
    """Return the ventricle at contractions from 0 (end-diastole) to 1 (end-systole).

    Args:
        case: The heart.
        contraction: (n,) share of the stroke volume that has left.
    """
    contraction = np.concatenate([[0.0], np.asarray(contraction, np.float64)])  # the first one is end-diastole
    section = section_of(case)
    length = case.length * (1 - case.shortening * contraction)
    volume = case.edv * (1 - case.ef / 100 * contraction)
    half_width = np.sqrt(1000 * volume / (np.pi * length * section.volume_factor))
    outer = (half_width[0] + case.wall) ** 2 - half_width[0] ** 2
    wall = np.sqrt(half_width**2 + outer * length[0] / length) - half_width
    in_plane = half_width / section.radius
    across = in_plane * case.out_of_plane * (1 + (case.out_of_plane_change - 1) * contraction)
    long_axis = np.sqrt(((length / section.reach) ** 2 - across**2 * section.across) / section.along)
    z = case.truncation
    true_volume = np.pi * in_plane * across * long_axis * (2 / 3 + z - z**3 / 3) / 1000
    return Ventricle(
        section=section,
        length=length[1:],
        half_width=half_width[1:],
        wall=wall[1:],
        volume=volume[1:],
        true_volume=true_volume[1:],
        true_length=(long_axis * (1 + z))[1:],
    )
