"""What every built-in preprocessor promises, whatever the clip."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_type_hints

import numpy as np
import pytest

from echokit.data.preprocess.mask_region import check_mask, mask_region
from echokit.data.preprocess.motion_mask import MotionMask
from echokit.data.preprocess.no_mask import NoMask
from echokit.data.preprocess.optical_flow import OpticalFlow
from echokit.data.preprocess.random_mask import RandomMask
from echokit.data.preprocess.resample_rate import Resample
from echokit.data.preprocess.resize import Resize
from echokit.data.preprocess.sector_mask import SectorMask
from echokit.data.preprocess.trim import Trim
from echokit.data.video.clip import Clip, Region
from echokit.plugins.discovery import installed
from tests.expect import refused

from .make import blobs

CASES: dict[str, Callable[[Clip], Clip]] = {
    "trim": Trim(frames=5),
    "resize-smaller": Resize(size=32),
    "resize-larger": Resize(size=200),
    "resample-slower": Resample(fps=17),
    "resample-faster": Resample(fps=90),
    "flow": OpticalFlow(),
    "flow-dis": OpticalFlow(method="dis"),
}
MASKS: dict[str, Callable[[Clip], Clip]] = {
    "mask": MotionMask(),
    "mask-farneback": MotionMask(method="farneback"),
    "mask-study": MotionMask(threshold=0.5),
    "mask-sector": SectorMask(),
    "mask-region": SectorMask(keep="region"),
    "mask-random": RandomMask(),
    "mask-none": NoMask(),
}
CASES |= MASKS
CLIPS = {
    "moving": blobs(12, 64, 80),
    "one": blobs(1, 64, 80),
    "two": blobs(2, 64, 80),
    "black": np.zeros((6, 40, 40), np.uint8),
    "white": np.full((6, 40, 40), 255, np.uint8),
    "still": np.repeat(blobs(1, 50, 60), 6, axis=0),
    "odd": blobs(7, 37, 53),
    "tall": blobs(6, 90, 11),
    "tiny": blobs(4, 8, 8),
    "noise": np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8),
}


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("name", CASES)
def test_contract(name: str, clip: str) -> None:
    before = Clip(
        CLIPS[clip].copy(), fps=50, spacing=(0.4, 0.4), regions=(Region(0, 0, 8, 8),), source="made", notes=("first",)
    )
    before.frames.flags.writeable = False
    first, second = CASES[name](before), CASES[name](before)
    np.testing.assert_array_equal(before.frames, CLIPS[clip])
    np.testing.assert_array_equal(first.frames, second.frames)
    assert first.frames.dtype == np.uint8
    assert first.frames.size > 0
    assert first.notes == second.notes
    assert first.notes[0] == "first"
    assert first.source == "made"
    for stream, data in first.streams.items():
        np.testing.assert_array_equal(data.data, second.streams[stream].data)
        assert data.data.dtype == np.int8


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("name", MASKS)
def test_a_mask_only_blanks_the_same_pixels_of_every_frame(name: str, clip: str) -> None:
    before = Clip(CLIPS[clip], regions=(Region(3, 2, 30, 30, data_type=1),))
    after = MASKS[name](before)
    check_mask(before.frames, after.frames)
    assert after.frames.any() == before.frames.any()
    region = mask_region(before.frames, after.frames)
    np.testing.assert_array_equal(after.frames, before.frames * region)


def test_every_registered_mask_is_tested() -> None:
    registered = {
        c.load() for c in installed().registry.components(["preprocessor"]) if c.mask and c.plugin == "echokit"
    }
    assert {type(mask) for mask in MASKS.values()} == registered


@pytest.mark.parametrize("name", ["trim", "resize-smaller", "resample-slower", "mask", "mask-sector", "mask-random"])
def test_frames_are_not_changed_under_a_derived_stream(name: str) -> None:
    with refused("preprocess.step_order"):
        CASES[name](OpticalFlow()(Clip(blobs(12, 64, 80), fps=50)))


@pytest.mark.parametrize("component", [Trim, Resize, Resample, OpticalFlow, MotionMask, SectorMask, RandomMask])
def test_parameters_are_typed_and_described(component: type) -> None:
    hints = get_type_hints(component.__init__, include_extras=True)
    for name in set(hints) - {"return"}:
        assert f"        {name}: " in (component.__doc__ or "")
