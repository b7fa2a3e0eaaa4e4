from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pydicom.examples
import pytest
from pydicom.data import get_testdata_file

from benchmarks.masks import the_study
from echokit.data.preprocess.mask_region import check_mask, mask_region
from echokit.data.preprocess.motion_mask import MotionMask
from echokit.data.video.clip import Clip, Frames
from echokit.data.video.read import read_video

from .make import blobs


@cache
def real_clip(name: str) -> Clip:
    if name == "ybr":
        return read_video(pydicom.examples.get_path("ybr_color"))
    path = get_testdata_file("color3d_jpeg_baseline.dcm", download=False)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    return read_video(str(path), frames=30)


@pytest.mark.parametrize(
    ("frames", "threshold"),
    [(blobs(12, 120, 160, travel=2), 0.5), (blobs(12, 120, 160, travel=2), 3.5), (None, 0.5)],
    ids=["blobs", "blobs at 3.5", "real"],
)
def test_a_number_as_threshold_gives_the_exact_steps_of_the_study(frames: Frames | None, threshold: float) -> None:
    frames = real_clip("ybr").frames[:12] if frames is None else frames
    expected = the_study(frames, threshold)
    region = MotionMask(threshold=threshold).region(frames)
    assert region is not None
    assert 0.005 < expected.mean() < 0.9
    assert (region & expected).sum() / (region | expected).sum() >= 0.99
    masked = MotionMask(threshold=threshold)(Clip(frames)).frames
    np.testing.assert_array_equal(masked, frames * region)


def test_threshold_of_the_study_keeps_little_of_a_real_clip() -> None:
    region = MotionMask(threshold=3.5).region(real_clip("ybr").frames)
    assert region is None or region.mean() < 0.01


@pytest.mark.parametrize("name", ["ybr", "full"])
@pytest.mark.parametrize("method", ["farneback", "dis"])
def test_auto_keeps_the_heart_and_removes_the_text(name: str, method: str) -> None:
    clip = real_clip(name)
    height, width = clip.frames.shape[1:]
    masked = MotionMask(method=method)(clip)  # type: ignore[arg-type]
    region = MotionMask(method=method).region(clip.frames)  # type: ignore[arg-type]
    assert region is not None
    check_mask(clip.frames, masked.frames)

    def part(top: float, bottom: float, left: float, right: float) -> np.ndarray:
        return region[int(top * height) : int(bottom * height), int(left * width) : int(right * width)]

    assert part(0.3, 0.75, 0.45, 0.65).all()  # ventricles and septum
    assert part(0.75, 0.82, 0.4, 0.6).all()  # atria
    text = [part(0, 0.15, 0, 0.2), part(0, 0.6, 0.93, 1), part(0.93, 1, 0, 1), part(0.8, 1, 0.88, 1)]
    assert not any(patch.any() for patch in text)
    assert masked.notes == clip.notes


def test_auto_ignores_a_running_trace_and_a_changing_number() -> None:
    clip = real_clip("full")
    frames = clip.frames.copy()
    columns = np.arange(frames.shape[2])
    for number, frame in enumerate(frames):
        heights = 440 - 24 * np.exp(-((((columns + 6 * number) % 90) - 45) ** 2) / 36)
        cv2.polylines(frame, [np.stack([columns, heights], 1).astype(np.int32)], False, 220, 2)
        frame[330:370, 500:600] = 0
        cv2.putText(frame, str(1000 + 37 * number), (500, 360), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2)
    clean, disturbed = MotionMask().region(clip.frames), MotionMask().region(frames)
    assert clean is not None
    assert disturbed is not None
    assert (clean & disturbed).sum() / (clean | disturbed).sum() > 0.95
    assert not disturbed[425:].any()
    assert not disturbed[330:370, 500:600].any()


@pytest.mark.parametrize("scale", [0.35, 0.7])
def test_auto_finds_the_same_part_at_any_size(scale: float) -> None:
    frames = real_clip("full").frames[:12]
    large = MotionMask().region(frames)
    small = MotionMask().region(
        np.stack([cv2.resize(f, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for f in frames])
    )
    assert large is not None
    assert small is not None
    again = cv2.resize(small.astype(np.uint8), frames.shape[:0:-1], interpolation=cv2.INTER_NEAREST) > 0
    assert (large & again).sum() / (large | again).sum() > 0.9


@pytest.mark.parametrize("threshold", ["auto", 3.5])
@pytest.mark.parametrize("frames", [blobs(1), np.repeat(blobs(1), 5, axis=0), np.zeros((4, 30, 30), np.uint8)])
def test_nothing_that_moves_passes_with_a_note(frames: Frames, threshold: float | str) -> None:
    out = MotionMask(threshold=threshold)(Clip(frames))  # type: ignore[arg-type]
    np.testing.assert_array_equal(out.frames, frames)
    assert out.notes == ("motion_mask found nothing that moves: passed unmasked",)
    assert mask_region(frames, out.frames).all()


@pytest.mark.parametrize("change", ["half the rate", "half the gain"])
def test_auto_finds_the_same_part_at_any_rate_and_gain(change: str) -> None:
    frames = real_clip("full").frames
    other = frames[::2] if change == "half the rate" else frames // 2
    first, second = MotionMask().region(frames), MotionMask().region(other)
    assert first is not None
    assert second is not None
    assert (first & second).sum() / (first | second).sum() > 0.9


def test_a_wide_running_trace_close_to_the_fan_is_no_tissue() -> None:
    frames = real_clip("full").frames.copy()
    columns = np.arange(frames.shape[2])
    for number, frame in enumerate(frames):
        heights = 470 - 45 * np.exp(-((((columns + 5 * number) % 70) - 35) ** 2) / 80)
        cv2.polylines(frame, [np.stack([columns, heights], 1).astype(np.int32)], False, 220, 3)
    region = MotionMask().region(frames)
    assert region is not None
    assert not region[422:].any()
    assert region[100:380, 290:380].all()
