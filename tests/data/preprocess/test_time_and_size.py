from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echokit.data.preprocess.resample_rate import Resample
from echokit.data.preprocess.resize import Resize
from echokit.data.preprocess.trim import Trim
from echokit.data.video.clip import Clip, Region
from tests.expect import refused

from .make import blobs


def numbered(count: int) -> np.ndarray:
    """Frame i is filled with the value i."""
    return np.repeat(np.arange(count, dtype=np.uint8), 16).reshape(count, 4, 4)


def test_trim_keeps_the_first_frames_and_their_times() -> None:
    clip = Clip(numbered(9), fps=10, times=np.arange(9) * 0.3)
    out = Trim(frames=4)(clip)
    assert out.frames[:, 0, 0].tolist() == [0, 1, 2, 3]
    assert out.times is not None
    assert out.times.tolist() == clip.times[:4].tolist()  # type: ignore[index]
    assert Trim(frames=9)(clip) is clip
    assert Trim(frames=4).frames == 4


def test_resample_takes_the_nearest_frame() -> None:
    clip = Clip(numbered(10), fps=50)
    half = Resample(fps=25)(clip)
    assert half.frames[:, 0, 0].tolist() == [0, 2, 4, 6, 8]
    assert half.fps == 25
    assert half.notes == ()
    double = Resample(fps=100)(Clip(numbered(3), fps=50))
    assert double.frames[:, 0, 0].tolist() == [0, 0, 1, 1, 2]
    assert double.notes == ("resampling to 100 frames per second repeats 2 of 5 frames",)
    assert Resample(fps=50)(clip) is clip


def test_resample_follows_uneven_times() -> None:
    clip = Clip(numbered(4), fps=10, times=np.array([0.0, 0.1, 0.5, 0.6]))
    out = Resample(fps=10)(clip)
    assert out.frames[:, 0, 0].tolist() == [0, 1, 1, 1, 2, 2, 3]
    assert out.times is None
    assert out.fps == 10


def test_resample_without_a_rate_says_so() -> None:
    with refused("resample.no_frame_rate"):
        Resample(fps=25)(Clip(numbered(4)))
    with refused("resample.too_large"):
        Resample(fps=1000)(Clip(np.zeros((3, 300, 300), np.uint8), fps=1e-4))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.floats(1, 200), st.floats(1, 200))
def test_no_resampled_frame_is_further_away_than_half_a_step(count: int, old: float, new: float) -> None:
    out = Resample(fps=new)(Clip(numbered(count), fps=old))
    shown = out.frames[:, 0, 0] / old
    wanted = np.arange(len(out)) / new
    assert np.abs(shown - wanted).max() <= 0.5 / old + 1e-6
    assert abs((len(out) - 1) / new - (count - 1) / old) < 1 / new + 1e-6


@pytest.mark.parametrize("size", [16, 64, 150])
def test_resize_keeps_the_aspect_and_moves_the_geometry_along(size: int) -> None:
    frames = np.zeros((2, 60, 100), np.uint8)
    frames[:, 10:30, 20:60] = 200
    clip = Clip(frames, spacing=(0.5, 0.5), regions=(Region(20, 10, 60, 30, (0.5, 0.5), 1),))
    out = Resize(size=size)(clip)
    assert out.frames.shape == (2, size, size)
    scale = size / 100
    assert out.spacing == pytest.approx((0.5 / scale, 0.5 / scale))
    (region,) = out.regions
    bright = np.argwhere(out.frames[0] > 100)
    top, left = bright.min(axis=0)
    bottom, right = bright.max(axis=0) + 1
    assert (region.y0, region.x0, region.y1, region.x1) == pytest.approx((top, left, bottom, right), abs=1.01)
    assert (right - left) / (bottom - top) == pytest.approx(2, abs=0.35)
    assert region.spacing == out.spacing
    pad = int(20 * scale) - 1
    assert out.frames[:, :pad].max(initial=0) == 0


def test_resize_leaves_the_right_size_alone() -> None:
    clip = Clip(blobs(3, 112, 112))
    assert Resize(size=112)(clip) is clip
    padded = Resize(size=112)(Clip(blobs(3, 100, 112)))
    np.testing.assert_array_equal(padded.frames[:, 6:106], blobs(3, 100, 112))
