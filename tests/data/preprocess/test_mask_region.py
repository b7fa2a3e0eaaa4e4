from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from echokit.data.preprocess.mask_region import check_mask, mask_region, overlay, side_by_side, write_picture
from tests.expect import refused

from .make import blobs


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.uint8, (3, 6, 7)), hnp.arrays(bool, (6, 7)))
def test_the_region_of_any_mask_is_found(before: np.ndarray, kept: np.ndarray) -> None:
    after = before * kept
    region = mask_region(before, after)
    check_mask(before, after)
    lit = (before != 0).any(axis=0)
    np.testing.assert_array_equal(region[lit], kept[lit])
    assert region[~lit].all()
    np.testing.assert_array_equal(before * region, after)


@pytest.mark.parametrize("fault", ["value", "one frame", "added", "shape"])
def test_a_mask_that_does_more_than_masking_is_refused(fault: str) -> None:
    before = blobs(4, 20, 20) // 2 + 1
    before[:, 0, 0] = 0
    after = before.copy()
    after[:, 10:] = 0
    check_mask(before, after)
    if fault == "value":
        after[2, 3, 3] += 1
    elif fault == "one frame":
        after[2, 3, 3] = 0
    elif fault == "added":
        after[:, 0, 0] = 9
    else:
        after = after[:, :19]
    with refused("mask.changed_shape" if fault not in ("value", "one frame", "added") else "mask.changed_pixels"):
        check_mask(before, after)


def test_the_overlay_shows_what_is_removed() -> None:
    frame = np.full((40, 40), 100, np.uint8)
    region = np.zeros((40, 40), bool)
    region[10:30, 10:30] = True
    picture = overlay(frame, region)
    assert picture.shape == (40, 40, 3)
    assert picture[20, 20].tolist() == [100, 100, 100]
    red, green, blue = picture[3, 3].tolist()
    assert red > green
    assert max(green, blue) < 100
    outline = picture[10, 20]
    assert outline[1] > 150


@pytest.mark.parametrize("shape", [(1, 40, 50), (9, 112, 112), (3, 480, 640)])
def test_the_picture_for_a_person(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    before = blobs(*shape)
    after = before.copy()
    after[:, : shape[1] // 2] = 0
    plain, stamped = side_by_side(before, after), side_by_side(before, after, label="PHANTOM DATA")
    assert stamped.shape[0] > plain.shape[0]
    np.testing.assert_array_equal(stamped[-plain.shape[0] :], plain)
    write_picture(tmp_path / "a.png", before, after, label="PHANTOM DATA")
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png"))[..., ::-1], stamped)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    with refused("file.not_writable"):
        write_picture(tmp_path / "absent" / "a.png", before, after)
