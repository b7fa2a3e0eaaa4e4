"""Rendered frames: sector, contrast, and masks that match the drawn heart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from echokit.phantom.case import sample_case
from echokit.phantom.motion import endocardium, from_diastole, to_diastole
from echokit.phantom.render import measure, phantom_frames, phantom_masks
from echokit.phantom.scanner import sector_of
from echokit.phantom.ventricle import ventricle_at


@pytest.mark.parametrize("index", range(4))
def test_blood_is_dark_and_the_wall_bright_in_every_frame(index: int) -> None:
    case = sample_case(2, index, ef="wide", frames=(40, 40))
    frames, masks = phantom_frames(case), phantom_masks(case)
    assert frames.shape == (40, 112, 112)
    assert frames.dtype == np.uint8
    assert masks.cavity.shape == masks.myocardium.shape == frames.shape
    assert not (masks.cavity & masks.myocardium).any()
    for frame, cavity, wall in zip(frames, masks.cavity, masks.myocardium, strict=True):
        assert frame[wall].mean() > frame[cavity].mean() + 25


def test_pixels_outside_the_sector_are_black() -> None:
    case = sample_case(2, 0, frames=(8, 8))
    frames, inside = phantom_frames(case), sector_of(case).inside.astype(bool)
    assert frames[:, ~inside].max() == 0
    assert (frames[:, inside] > 0).mean() > 0.3
    assert not inside[0].any()


def test_the_cavity_of_the_masks_shrinks_with_the_volume() -> None:
    case = replace(sample_case(2, 1, frames=(50, 50)), ef=65.0, y=22.0, x=4.0, tilt=0.0, rocking=0.0, drift_x=0.0)
    measured, area = measure(case), phantom_masks(case).cavity.sum((1, 2))
    assert area[measured.end_systole.frame] < 0.65 * area[measured.end_diastole.frame]
    assert area[measured.end_diastole.frame] >= 0.97 * area.max()


@pytest.mark.parametrize("contraction", [0.0, 0.4, 1.0])
def test_the_contour_maps_to_the_diastolic_contour(contraction: float) -> None:
    case = sample_case(4, 1)
    s = np.linspace(0.02, 1, 40)
    now = endocardium(case, ventricle_at(case, np.array([contraction])), s)
    diastole = endocardium(case, ventricle_at(case, np.zeros(1)), s)
    for edge, origin in zip(now, diastole, strict=True):
        moved = np.stack(to_diastole(case, edge[0, :, 0], edge[0, :, 1], contraction), -1)
        assert np.abs(moved - origin[0]).max() < 0.3  # mm; a pixel is about 1.5


def test_from_diastole_inverts_to_diastole() -> None:
    case = sample_case(4, 2)
    points = np.array([[-60.0, 70.0], [10.0, 40.0], [30.0, 80.0]])
    moved = from_diastole(case, points, 0.8)
    back = np.stack(to_diastole(case, moved[:, 0], moved[:, 1], 0.8), -1)
    assert np.abs(back - points).max() < 0.3
    assert np.abs(moved - points).max() > 1


def test_speckle_follows_tissue_and_decorrelates() -> None:
    still = dict.fromkeys(
        [
            "ef",
            "shortening",
            "rv_motion",
            "drift_x",
            "drift_y",
            "rocking",
            "swing_x",
            "swing_y",
            "swing_tilt",
            "fading",
            "dropout_drift",
        ],
        0.0,
    )
    # A heart that does not move at all shows how fast the speckle of its wall changes.
    case = replace(sample_case(2, 0, frames=(30, 30)), **still, decorrelation=0.1)  # type: ignore[arg-type]
    frames, wall = phantom_frames(case).astype(float), phantom_masks(case).myocardium[0]
    wall[:40] = False  # near-field clutter does not move
    wall[70:] = False  # nor are the leaflets part of the wall

    def correlation(a: int, b: int) -> float:
        return float(np.corrcoef(frames[a][wall], frames[b][wall])[0, 1])

    assert correlation(0, 1) > 0.7
    assert correlation(0, 29) < correlation(0, 5) < correlation(0, 1)
