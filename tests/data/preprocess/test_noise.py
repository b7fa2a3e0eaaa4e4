"""Recordings with noise all over, as of a frame grabber or a tape: what masks keep of the heart and of names."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from echokit.data.preprocess.motion_mask import FULL, MotionMask
from echokit.data.preprocess.noise import noise_of
from echokit.data.preprocess.sector import NOISY
from echokit.data.preprocess.sector_mask import SectorMask
from echokit.data.video.clip import Clip, Frames
from echokit.phantom.clinical.patients import Vendor, sample_patients
from echokit.phantom.clinical.screen import draw_screen
from echokit.phantom.clinical.truth import ClipTruth, truth_of
from echokit.tools.convert.picture import fan_of_clip, unfit_picture

from .test_motion_mask import real_clip

VENDORS: tuple[Vendor, ...] = ("alder", "birch", "cedar")


@cache
def screen(vendor: Vendor) -> tuple[Frames, ClipTruth]:
    patient = next(one for one in sample_patients(0, frames=(12, 12)) if one.vendor == vendor)
    shown = draw_screen(patient, 0)
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in shown.frames])
    return grey.astype(np.uint8), truth_of(patient.clips[0], shown)


def noisy(frames: Frames, sd: float) -> Frames:
    generator = np.random.default_rng(0)
    return np.stack([np.rint(frame + generator.normal(0, sd, frame.shape)).clip(0, 255) for frame in frames]).astype(
        np.uint8
    )


def kept(part: np.ndarray, region: np.ndarray) -> float:
    return float((part & region).sum() / part.sum())


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("sd", [0, 0.8, 1.5, 3])
def test_the_heart_is_kept_and_the_names_are_not(vendor: Vendor, sd: float) -> None:
    clean, truth = screen(vendor)
    clip = Clip(noisy(clean, sd))
    fan, doubtful = fan_of_clip(clip)
    assert doubtful == (sd > 0)
    for region in (MotionMask().region(clip.frames), fan):
        assert region is not None
        assert kept(truth.ventricle, region) >= 0.99
        assert kept(truth.tissue & (truth.motion >= 1), region) >= 0.95
        for part in (truth.text, truth.scale, truth.ecg, truth.number):
            assert kept(part, region) == 0
    assert unfit_picture(clip, fan, None) is None
    assert all((NOISY in str(mask(clip).notes)) == (sd > 0) for mask in (MotionMask(), SectorMask()))


def test_bars_without_noise_hide_none_of_it() -> None:
    clean, truth = screen("alder")
    region = SectorMask().region(Clip(np.pad(noisy(clean, 1.5), ((0, 0), (0, 0), (150, 150)))))
    assert region is not None
    assert kept(truth.text, region[:, 150:-150]) == 0


def test_a_picture_that_is_still_but_for_noise_passes_with_a_note() -> None:
    clip = Clip(noisy(np.repeat(screen("alder")[0][:1], 12, axis=0), 1.5))
    for mask, said in ((MotionMask(), "nothing that moves"), (SectorMask(), "fills the picture")):
        out = mask(clip)
        np.testing.assert_array_equal(out.frames, clip.frames)
        assert said in out.notes[0]
    assert unfit_picture(clip, SectorMask().region(clip), None) is not None


@pytest.mark.parametrize("gain", [1, 2, 4])
@pytest.mark.parametrize("name", ["ybr", "full"])
def test_quiet_blood_in_a_picture_full_of_echoes_is_no_noise(name: str, gain: int) -> None:
    frames = real_clip(name).frames
    height, width = frames.shape[1:]
    zoomed = frames[:, int(0.3 * height) : int(0.8 * height), int(0.35 * width) : int(0.65 * width)] // gain
    region = MotionMask().region(zoomed)
    assert region is not None
    assert region.mean() > 0.95
    assert MotionMask()(Clip(zoomed)).notes == (f"motion_mask: {FULL}",)


def test_noise_is_measured_beside_the_fan() -> None:
    frames = real_clip("full").frames
    height, width = frames.shape[1:]
    assert noise_of(frames, (height, width)) == 0
    found = [noise_of(noisy(np.maximum(frames, 20), sd), (height, width)) for sd in (1, 2)]
    # The mean difference of two normal values of one SD is 2 / sqrt(pi) of it; rounding adds a little.
    np.testing.assert_allclose(found, np.array([1, 2]) * 2 / np.sqrt(np.pi), rtol=0.1)


def test_what_passes_once_over_a_short_clip_is_no_fan() -> None:
    frames = real_clip("full").frames[:24:3].copy()
    for number, frame in enumerate(frames):
        frame[396:470, 160 + 40 * number : 200 + 40 * number] = 220
    region = SectorMask().region(Clip(frames))
    assert region is not None
    assert not region[410:].any()
    assert region[100:380, 290:380].all()
