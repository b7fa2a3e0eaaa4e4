"""The fan mask: conformance, synthetic sectors, and real four-chamber clips."""

from pathlib import Path

import numpy as np
import pytest
from echokit_sector_mask.fan import Fan, find_fan
from echokit_sector_mask.mask import FanMask

from echokit import Clip, VideoError, read_video


@pytest.mark.echokit_plugin("sector_mask")
def test_conformance(echokit_check):
    echokit_check()


def drawn(fan: Fan, height: int, width: int, dark: bool = False) -> np.ndarray:
    """Draw speckle in a fan on black, with bright text, a ruler and, if ``dark``, a shadow along one edge."""
    generator = np.random.default_rng(0)
    picture = fan.region(height, width) * generator.uniform(20, 120, (height, width))
    if dark:
        shadow = Fan(fan.x, fan.y, fan.right - 0.25, fan.right + 0.1, 0.55 * fan.far, 2 * fan.far)
        picture[shadow.region(height, width)] = 0
    picture[4:12, 4:60] = 230
    picture[::20, -6:-3] = 200
    return picture


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(
    "fan",
    [
        Fan(160, 10, -0.7, 0.7, 12, 200),
        Fan(180, 6, -0.55, 0.6, 30, 210),
        Fan(150, -20, -0.45, 0.45, 40, 230),
    ],
)
def test_a_drawn_fan_is_found(fan: Fan, dark: bool) -> None:
    found = find_fan(drawn(fan, 240, 320, dark))
    assert found is not None
    expected, region = fan.region(240, 320), found.region(240, 320)
    assert (expected & region).sum() / (expected | region).sum() > 0.95


def test_the_fan_scales_with_the_image() -> None:
    fan = Fan(160, 10, -0.7, 0.7, 12, 200)
    picture = drawn(fan, 240, 320)
    small, large = find_fan(picture), find_fan(picture.repeat(2, axis=0).repeat(2, axis=1))
    assert small is not None
    assert large is not None
    assert large.far == pytest.approx(2 * small.far, rel=0.02)
    assert large.left == pytest.approx(small.left, abs=0.02)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((100, 120)),
        np.full((100, 120), 200.0),
        np.pad(np.full((60, 60), 90.0), 20),  # a linear probe
        np.random.default_rng(1).uniform(0, 255, (90, 90)),
        np.full((1, 1), 9.0),
        np.tri(60) * 80,
    ],
)
def test_an_image_without_a_fan_is_returned_unmasked(picture: np.ndarray) -> None:
    assert find_fan(picture) is None
    clip = Clip(picture[None].astype(np.uint8), notes=("first",))
    after = FanMask()(clip)
    assert after.frames is clip.frames
    assert after.notes[:1] == ("first",)
    assert len(after.notes) == 2


def real_clips() -> list[Path]:
    from pydicom.data import get_testdata_file
    from pydicom.examples import get_path

    full = get_testdata_file("color3d_jpeg_baseline.dcm", download=False)
    return [Path(get_path("ybr_color")), *([Path(full)] if full else [])]


@pytest.mark.parametrize("path", real_clips(), ids=lambda path: path.name)
def test_a_real_clip_keeps_the_sector_and_loses_the_text(path: Path) -> None:
    clip = read_video(path, frames=5)
    after = FanMask()(clip)
    height, width = clip.frames.shape[1:]
    assert after.notes == clip.notes
    for corner in (
        np.s_[:, : height // 6, : width // 4],
        np.s_[:, height * 9 // 10 :],
        np.s_[:, :, width * 19 // 20 :],
    ):
        assert not after.frames[corner].any()
    heart = np.s_[:, height // 4 : height * 3 // 4, width * 2 // 5 : width * 13 // 20]
    np.testing.assert_array_equal(after.frames[heart], clip.frames[heart])
    share = (after.frames != 0).any(axis=0).mean()
    assert 0.15 < share < 0.6


def test_one_frame_is_enough() -> None:
    clip = read_video(real_clips()[0])
    all_frames = find_fan(clip.frames.mean(axis=0))
    single = find_fan(clip.frames[7].astype(float))
    assert all_frames is not None
    assert single is not None
    a, b = (fan.region(*clip.frames.shape[1:]) for fan in (all_frames, single))
    assert (a & b).sum() / (a | b).sum() > 0.93


def test_frames_of_a_derived_stream_are_not_masked() -> None:
    from echokit import Stream

    frames = drawn(Fan(40, 2, -0.7, 0.7, 3, 50), 60, 80).astype(np.uint8)
    clip = Clip(np.stack([frames] * 3), streams={"flow": Stream(np.zeros((2, 2, 60, 80), np.int8), 1.0)})
    with pytest.raises(VideoError) as caught:
        FanMask()(clip)
    assert caught.value.code == "mask.after_stream"
