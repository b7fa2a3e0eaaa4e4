"""Simulate the ultrasound machine: sector, speckle, loss, log compression and scan conversion.

Scatterers are complex normal noise that rides on the tissue. On a grid of beams and depths they are weighted by the
echo level, blurred by the point-spread function, detected, log compressed and converted to the picture. Because the
blur is constant in angle, its width in mm grows with depth; near the probe, before the focus, it is wider.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from echokit.phantom.beat import Beats
from echokit.phantom.case import PhantomCase
from echokit.phantom.motion import slow_course

if TYPE_CHECKING:
    from echokit.data.video.clip import Frames

Float32 = npt.NDArray[np.float32]

BANK = 1024


@dataclass(frozen=True, slots=True)
class Resolution:
    """Sampling of a machine.

    Attributes:
        depths, beams: Samples along a beam, and beams.
        axial, lateral, lateral_near: SD of the point-spread function in samples; the last one at the probe.
        near: Samples in front of the focus.
        scatterers: Scatterers a node of the tissue grid, along each side.
    """

    depths: int
    beams: int
    axial: float
    lateral: float
    lateral_near: float
    near: int
    scatterers: int


COARSE = Resolution(152, 104, axial=0.85, lateral=1.35, lateral_near=2.2, near=40, scatterers=1)
"""For pictures of about 112 pixels."""
FINE = Resolution(330, 180, axial=0.9, lateral=1.25, lateral_near=2.6, near=88, scatterers=2)
"""For pictures of about 500 pixels."""


@cache
def noise_bank() -> Float32:
    """Return (BANK, BANK, 2) normal noise, the same in every process."""
    rng = np.random.Generator(np.random.Philox(20))
    return rng.standard_normal((BANK, BANK, 2), np.float32)


def cut(rng: np.random.Generator, height: int, width: int) -> Float32:
    """Cut a random (height, width, 2) piece of noise of unit power, without copying."""
    top, left = rng.integers(0, [BANK - height, BANK - width])
    return noise_bank()[top : top + height, left : left + width]


def as_float32(picture: Any) -> Float32:
    """Give an array from OpenCV its type, without copying."""
    return np.asarray(picture, np.float32)


def look_up(picture: Float32, places: Float32, mirrored: bool = False) -> Float32:
    """Interpolate a picture at (..., 2) points (x, y).

    Outside, its edge is repeated, or the picture mirrored.
    """
    import cv2

    no_second_map: Any = None  # OpenCV's stubs require a second map
    border = cv2.BORDER_REFLECT if mirrored else cv2.BORDER_REPLICATE
    return as_float32(cv2.remap(picture, places, no_second_map, cv2.INTER_LINEAR, borderMode=border))


@dataclass(frozen=True, slots=True)
class Sector:
    """Geometry of the sector of one case and of its picture.

    Attributes:
        resolution: Its sampling.
        height, width: Of the picture in pixels.
        scale: Pixels per mm.
        tip_x, tip_y: Place of the probe in pixels.
        places: (depths, beams, 2) float32 sector mm of each sample.
        columns: (height, width, 2) float32 (beam, depth) sample of each pixel; far outside for a pixel without one.
        inside: (height, width) uint8, 1 inside the sector.
        depth, half_angle: Of the sector, in mm and radians.
    """

    resolution: Resolution
    height: int
    width: int
    scale: float
    tip_x: float
    tip_y: float
    places: Float32
    columns: Float32
    inside: npt.NDArray[np.uint8]
    depth: float
    half_angle: float

    def to_pixels(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Map (..., 2) sector mm to pixels (x, y); integers are pixel centres."""
        return points * self.scale + [self.tip_x, self.tip_y]

    def to_samples(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Map (..., 2) sector mm to (beam, depth) samples."""
        radius = np.hypot(points[..., 0], points[..., 1])
        angle = np.arctan2(points[..., 0], points[..., 1])
        beam = (angle / self.half_angle + 1) / 2 * (self.resolution.beams - 1)
        return np.stack([beam, radius / self.depth * (self.resolution.depths - 1)], -1)


def sector_of(case: PhantomCase) -> Sector:
    """Lay out the sector: apex at the top, full depth at the last row."""
    size = case.size
    scale = (size - 0.04 * size) / case.depth
    return lay_out(case, COARSE, size, size, scale, (size - 1) / 2, 0.02 * size)


def lay_out(
    case: PhantomCase, resolution: Resolution, height: int, width: int, scale: float, tip_x: float, tip_y: float
) -> Sector:
    """Lay out the sector of a case in a picture.

    Args:
        case: Its depth and opening angle are used.
        resolution: Sampling of the machine.
        height, width: Of the picture in pixels.
        scale: Pixels per mm.
        tip_x, tip_y: Place of the probe in pixels.
    """
    radius = np.linspace(0, case.depth, resolution.depths)[:, None]
    angle = np.linspace(-case.half_angle, case.half_angle, resolution.beams)[None]
    places = np.stack([radius * np.sin(angle), radius * np.cos(angle)], -1).astype(np.float32)
    x, y = np.meshgrid((np.arange(width) - tip_x) / scale, (np.arange(height) - tip_y) / scale)
    radius, angle = np.hypot(x, y), np.arctan2(x, y)
    inside = (radius <= case.depth) & (np.abs(angle) <= case.half_angle) & (radius > 3)
    beam = (angle / case.half_angle + 1) / 2 * (resolution.beams - 1)
    columns = np.stack([beam, radius / case.depth * (resolution.depths - 1)], -1).astype(np.float32)
    return Sector(
        resolution,
        height,
        width,
        scale,
        tip_x,
        tip_y,
        places,
        columns,
        inside.astype(np.uint8),
        case.depth,
        case.half_angle,
    )


@dataclass(frozen=True, slots=True)
class Receiver:
    """Constant properties of the machine between scatterers and grey values.

    Attributes:
        sensitivity: (depths, beams) float32 gain of each sample: loss with depth, machine gain.
        floor: (depths, beams, 2) float32 amplitude of noise that differs in each frame: blood, haze, electronic noise.
        clutter: (depths, beams, 2) float32 static reverberation.
        dynamic_range: In dB.
        below_skin: (depths, 1) float32 share of a shadow at each depth: none at the skin.
    """

    sensitivity: Float32
    floor: Float32
    clutter: Float32
    dynamic_range: float
    below_skin: Float32


def receiver_of(case: PhantomCase, sector: Sector, rng: np.random.Generator) -> Receiver:
    """Set up the machine of a case."""
    depths, beams = sector.resolution.depths, sector.resolution.beams
    depth = np.linspace(0, case.depth, depths)[:, None]
    angle = np.linspace(-case.half_angle, case.half_angle, beams)[None]
    edge = 7 * (np.abs(angle) / case.half_angle) ** 4
    level = case.gain - case.attenuation * depth - edge
    electronic = case.noise + 0.05 * depth
    haze = case.haze - 0.12 * np.abs(depth - 30)
    floor = np.sqrt(10 ** (electronic / 10) + 10 ** (haze / 10))
    near = 10 ** ((case.clutter - 0.55 * depth) / 20) + 10 ** ((-6 - 3.0 * depth) / 20)
    return Receiver(
        sensitivity=(10 ** (level / 20)).astype(np.float32),
        floor=np.broadcast_to(floor[..., None], (depths, beams, 2)).astype(np.float32),
        clutter=cut(rng, depths, beams) * near[..., None].astype(np.float32),
        dynamic_range=case.dynamic_range,
        below_skin=(1 / (1 + np.exp(-(depth - 25) / 6))).astype(np.float32),
    )


def contact_of(case: PhantomCase, sector: Sector, beats: Beats) -> Float32:
    """Return the loss from poor contact, in dB: (frames, beams) float32.

    A shadow over the lateral wall wanders slowly, and the whole picture slowly fades and returns.
    """
    angle = np.linspace(-case.half_angle, case.half_angle, sector.resolution.beams)
    middle = case.dropout_angle + case.dropout_drift * slow_course(case, beats, 3)
    shadow = case.dropout * np.exp(-0.5 * ((angle - middle[:, None]) / case.dropout_width) ** 2)
    return (shadow + case.fading * slow_course(case, beats, 4)[:, None]).astype(np.float32)


def detect(echo: Float32, contact: Float32, receiver: Receiver, sector: Sector) -> Frames:
    """Turn scatterers on the grid of beams into one picture.

    Args:
        echo: (depths, beams, 2) float32 complex amplitude before the point-spread function.
        contact: (beams,) float32 dB by which poor contact darkens each beam below the skin.
        receiver: The machine.
        sector: The geometry.

    Returns:
        (height, width) uint8, black outside the sector.
    """
    import cv2

    fineness = sector.resolution
    axial, near = _kernel(fineness.axial), fineness.near
    wide = as_float32(cv2.sepFilter2D(echo[: near + 24], -1, _kernel(fineness.lateral_near), axial))
    blurred = as_float32(cv2.sepFilter2D(echo, -1, _kernel(fineness.lateral), axial))
    blurred[:near] += (wide[:near] - blurred[:near]) * _focus(near)
    envelope = as_float32(cv2.magnitude(blurred[..., 0], blurred[..., 1]))
    envelope *= receiver.sensitivity
    envelope += np.float32(1e-6)
    grey = as_float32(cv2.log(envelope))
    grey *= np.float32(20 / np.log(10))
    grey -= contact * receiver.below_skin
    grey *= np.float32(255 / receiver.dynamic_range)
    grey += np.float32(255)
    picture = np.clip(look_up(grey, sector.columns), 0, 255)
    return np.rint(picture, picture).astype(np.uint8) * sector.inside


@cache
def _focus(near: int) -> Float32:
    """Return the share of the wide beam in front of the focus."""
    return np.linspace(1, 0, near, dtype=np.float32)[:, None, None]


@cache
def _kernel(sd: float) -> Float32:
    """Return a normal kernel that preserves the power of white noise."""
    reach = int(np.ceil(2.5 * sd))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd) ** 2)
    power = np.square(kernel).sum()
    return np.asarray(kernel / np.sqrt(power), np.float32)
