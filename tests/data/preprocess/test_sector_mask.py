from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from echokit.data.preprocess.mask_region import mask_region
from echokit.data.preprocess.no_mask import NoMask
from echokit.data.preprocess.random_mask import RandomMask
from echokit.data.preprocess.sector_mask import SectorMask
from echokit.data.video.clip import Clip

from .make import blobs
from .test_motion_mask import real_clip


@pytest.mark.parametrize("count", [1, 30])
def test_the_fan_of_a_real_clip_is_found_and_the_interface_is_not(count: int) -> None:
    clip = real_clip("full")
    clip = replace(clip, frames=clip.frames[:count], regions=())
    region = SectorMask().region(clip)
    assert region is not None
    # Corners of the sector, measured on the picture: its probe, its sides and its lowest point.
    corners = [(52, 335), (300, 105), (300, 585), (395, 335)]
    kept = [bool(region[row, column]) for row, column in corners]
    assert all(kept) or (count == 1 and kept[0] and kept[3])  # the dark sides do not show in a single frame
    assert not region[:40, :80].any()
    assert not region[440:].any()
    assert not region[:, 605:].any()


def test_a_region_tag_limits_the_fan_and_can_stand_for_it() -> None:
    clip = real_clip("full")
    (tag,) = clip.regions
    inside = np.zeros(clip.frames.shape[1:], bool)
    inside[tag.y0 : tag.y1, tag.x0 : tag.x1] = True
    box, fan = SectorMask(keep="region").region(clip), SectorMask().region(clip)
    assert box is not None
    assert fan is not None
    np.testing.assert_array_equal(box, inside)
    assert not (fan & ~box).any()
    assert 0.4 < fan.sum() / box.sum() < 0.8


@pytest.mark.parametrize("kept", ["fan", "region"])
def test_a_clip_without_a_sector_passes_with_a_note(kept: str) -> None:
    clip = Clip(np.zeros((5, 30, 30), np.uint8))
    out = SectorMask(keep=kept)(clip)  # type: ignore[arg-type]
    np.testing.assert_array_equal(out.frames, clip.frames)
    (note,) = out.notes
    assert "sector_mask found no" in note


def test_random_mask_has_its_size_and_moves_with_seed_and_clip() -> None:
    clip = Clip(blobs(5, 100, 120) | 1)
    regions = [RandomMask(keep=0.2, seed=seed).region(clip) for seed in range(6)]
    assert np.mean([region.mean() for region in regions]) == pytest.approx(0.2, abs=0.04)
    assert len({region.tobytes() for region in regions}) == 6
    assert mask_region(clip.frames, RandomMask(keep=0.2)(clip).frames).tolist() == regions[0].tolist()
    other = Clip(blobs(6, 100, 120)[1:] | 1)
    assert (RandomMask(keep=0.2).region(other) != regions[0]).any()
    assert NoMask()(clip).frames is clip.frames
    assert NoMask()(clip).notes == ("no_mask: passed unmasked",)
