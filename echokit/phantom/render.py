"""Render the frames, masks and contours of a case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.phantom.anatomy import LEAFLET, TISSUE_GRID, Grid, draw_anatomy, leaflet_paths
from echokit.phantom.beat import Beats, beats_of
from echokit.phantom.case import PhantomCase, random_stream
from echokit.phantom.motion import endocardium, epicardium, pose_of, to_diastole
from echokit.phantom.scanner import Sector, as_float32, contact_of, cut, detect, look_up, receiver_of, sector_of
from echokit.phantom.ventricle import DISKS, Ventricle, ventricle_at

if TYPE_CHECKING:
    from echokit.data.video.clip import Frames

Float32 = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]

MOTION_GRID = Grid(step=2.8, count=81)
NODES = 7  # contractions at which the motion of tissue is computed; linear between them


@dataclass(frozen=True, slots=True)
class PhantomMasks:
    """Masks of the left ventricle: (T, H, W) bool each.

    Attributes:
        cavity: Inside the endocardium.
        myocardium: The wall around it.
    """

    cavity: npt.NDArray[np.bool_]
    myocardium: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Tracing:
    """The left ventricle of one frame as EchoNet-Dynamic traces it, in pixels.

    Attributes:
        frame: Number of the frame.
        lines: (21, 4) x1, y1, x2, y2: the long axis, then 20 chords from apex to base.
    """

    frame: int
    lines: Array


def phantom_frames(case: PhantomCase, sector: Sector | None = None) -> Frames:
    """Render a case.

    Args:
        case: From ``sample_case``.
        sector: Geometry of the picture; None for a square picture of ``case.size``.

    Returns:
        (T, H, W) uint8 grey frames, black outside the sector.
    """
    import cv2

    rng = random_stream(case.seed, case.index, 2)
    sector = sector or sector_of(case)
    beats, receiver = beats_of(case), receiver_of(case, sector, rng)
    depths, beams, fine = sector.resolution.depths, sector.resolution.beams, sector.resolution.scatterers
    pose = pose_of(case, beats)
    anatomy = as_float32(10 ** (draw_anatomy(case, rng) / 20))
    contact = contact_of(case, sector, beats)
    steps = _tissue_motion(case, np.linspace(0, 1, NODES))
    paths = leaflet_paths(case, beats)
    leaflets = sector.to_samples(pose.to_sector(paths.reshape(case.frames, -1, 2))).reshape(paths.shape)
    to_motion, to_tissue = MOTION_GRID.to_nodes(), TISSUE_GRID.to_nodes()
    retained = float(np.sqrt(1 - case.decorrelation))
    renewed = float(np.sqrt(case.decorrelation))
    scattered = TISSUE_GRID.count * fine
    scatterers = cut(rng, scattered, scattered).copy()

    frames = np.empty((case.frames, sector.height, sector.width), np.uint8)
    for index in range(case.frames):
        node = float(np.clip(beats.contraction[index], 0, 1)) * (NODES - 1)
        low = min(int(node), NODES - 2)
        motion = as_float32(cv2.addWeighted(steps[low], 1 - (node - low), steps[low + 1], node - low, 0))
        affine = np.vstack([pose.to_heart(index), [0, 0, 1]])
        at_motion = as_float32(cv2.transform(sector.places, to_motion @ affine))
        at_tissue = as_float32(cv2.transform(sector.places, to_tissue @ affine))
        at_tissue += look_up(motion, at_motion)
        level = np.maximum(look_up(anatomy, at_tissue), _draw(leaflets[index], sector))
        at_scatterers = at_tissue if fine == 1 else at_tissue * np.float32(fine)
        speckle = look_up(scatterers, at_scatterers, mirrored=True)
        cv2.multiply(speckle, cv2.merge([level, level]), speckle)
        cv2.add(speckle, receiver.clutter, speckle)
        cv2.accumulateProduct(receiver.floor, cut(rng, depths, beams), speckle)
        frames[index] = detect(speckle, contact[index], receiver, sector)
        fresh = cut(rng, scattered, scattered)
        scatterers = as_float32(cv2.addWeighted(scatterers, retained, fresh, renewed, 0))
    return frames


def phantom_masks(case: PhantomCase, sector: Sector | None = None) -> PhantomMasks:
    """Return the masks of the left ventricle that ``phantom_frames`` renders."""
    import cv2

    beats, sector = beats_of(case), sector or sector_of(case)
    heart = ventricle_at(case, np.clip(beats.contraction, 0, 1))
    pose = pose_of(case, beats)
    septal, lateral = endocardium(case, heart, np.linspace(0, 1, 48))
    inner = sector.to_pixels(pose.to_sector(np.concatenate([septal, lateral[:, ::-1]], 1)))
    outer = sector.to_pixels(pose.to_sector(epicardium(case, heart)))
    shape = (case.frames, sector.height, sector.width)
    cavity, whole = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for index in range(case.frames):
        cv2.fillPoly(cavity[index], [np.round(inner[index] * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
        cv2.fillPoly(whole[index], [np.round(outer[index] * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    inside = sector.inside.astype(bool)
    return PhantomMasks(cavity.astype(bool) & inside, (whole > cavity) & inside)


@dataclass(frozen=True, slots=True)
class Measurements:
    """Measurements of an expert on a rendered video, and the ground truth.

    Attributes:
        end_diastole, end_systole: The tracings at the largest and smallest rendered cavity.
        edv, esv: Volumes in ml of these frames in the view, by the method of disks.
        ef_a4c: Ejection fraction in % of the view: the label.
        ef_3d: Ejection fraction in % of the solid in the same frames.
        foreshortening: 1 - length in the view / true length, at end-diastole.
    """

    end_diastole: Tracing
    end_systole: Tracing
    edv: float
    esv: float
    ef_a4c: float
    ef_3d: float
    foreshortening: float


def measure(case: PhantomCase) -> Measurements:
    """Measure a case from its geometry, in the frames that are rendered."""
    beats = beats_of(case)
    heart = ventricle_at(case, np.clip(beats.contraction, 0, 1))
    largest, smallest = int(np.argmax(heart.volume)), int(np.argmin(heart.volume))
    edv, esv = float(heart.volume[largest]), float(heart.volume[smallest])
    emptied = 1 - heart.true_volume[smallest] / heart.true_volume[largest]
    traced = _trace(case, beats, heart)
    return Measurements(
        end_diastole=Tracing(largest, traced[largest]),
        end_systole=Tracing(smallest, traced[smallest]),
        edv=edv,
        esv=esv,
        ef_a4c=100 * (edv - esv) / edv,
        ef_3d=float(100 * emptied),
        foreshortening=float(1 - heart.length[largest] / heart.true_length[largest]),
    )


def _trace(case: PhantomCase, beats: Beats, heart: Ventricle) -> Array:
    """Trace every frame: (T, 21, 4) pixels."""
    sector, pose = sector_of(case), pose_of(case, beats)
    chords = (np.arange(DISKS) + 0.5) / DISKS
    septal, lateral = endocardium(case, heart, chords)
    zero = np.zeros_like(heart.length)
    apex, base = np.stack([zero, zero], -1)[:, None], np.stack([zero, heart.length], -1)[:, None]
    first = sector.to_pixels(pose.to_sector(np.concatenate([apex, septal], 1)))
    second = sector.to_pixels(pose.to_sector(np.concatenate([base, lateral], 1)))
    return np.concatenate([first, second], -1)


def _tissue_motion(case: PhantomCase, contractions: Array) -> list[Float32]:
    """Compute displacement to end-diastole on the motion grid, in nodes."""
    x, y = MOTION_GRID.nodes()
    steps = []
    for contraction in contractions:
        px, py = to_diastole(case, x, y, float(contraction))
        steps.append((np.stack([px - x, py - y], -1) / TISSUE_GRID.step).astype(np.float32))
    return steps


def _draw(leaflets: Array, sector: Sector) -> Float32:
    """Draw (4, k, 2) leaflets, in samples, as amplitude on the grid of beams."""
    import cv2

    shape = (sector.resolution.depths, sector.resolution.beams)
    picture = np.zeros(shape, np.uint8)
    cv2.polylines(picture, list(np.round(leaflets * 16).astype(np.int32)), False, 255, 1, cv2.LINE_AA, 4)
    return picture * np.float32(10 ** (LEAFLET / 20) / 255)
