import gzip
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from echokit import read_video
from echokit.data.video.nifti import MAX_TAIL
from echokit.data.video.readers import find_reader
from echokit.errors import VideoError
from echokit.phantom.write_camus import write_nifti
from tests.data.video.make import blobs
from tests.expect import refused


@pytest.mark.parametrize("packed", [True, False])
def test_frames_come_back_upright(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "a.nii.gz"
    write_nifti(path, blobs(), (0.5, 0.5))
    if not packed:
        path = tmp_path / "renamed.avi"
        path.write_bytes(gzip.decompress((tmp_path / "a.nii.gz").read_bytes()))
    assert find_reader(path).reader.name == "nifti"
    clip = read_video(path)
    np.testing.assert_array_equal(clip.frames, blobs())
    assert clip.spacing == (0.5, 0.5)
    np.testing.assert_array_equal(read_video(path, frames=3).frames, blobs()[:3])


def test_flat_pixels_are_averaged_to_squares(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz", np.repeat(blobs(), 2, axis=1), (0.4, 0.2))
    clip = read_video(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(clip.frames, blobs())
    assert clip.spacing == (pytest.approx(0.4), pytest.approx(0.4))


def test_real_values_within_a_byte_are_rounded_and_others_refused(tmp_path: Path) -> None:
    for name, top in (("fine", 1.0), ("large", 2.0)):
        volume = nibabel.Nifti1Image(blobs().T.astype(np.float32) * top, np.eye(4))
        nibabel.save(volume, tmp_path / f"{name}.nii.gz")
    np.testing.assert_array_equal(read_video(tmp_path / "fine.nii.gz").frames, blobs())
    with refused("nifti.value_range"):
        read_video(tmp_path / "large.nii.gz")


def test_time_is_believed_only_with_its_unit(tmp_path: Path) -> None:
    volume = nibabel.Nifti1Image(blobs().T, np.eye(4))
    volume.header.set_zooms((1.0, 1.0, 20.0))
    for unit, fps in (("msec", 50.0), (None, None)):
        volume.header.set_xyzt_units("mm", unit)
        nibabel.save(volume, tmp_path / "a.nii.gz")
        assert read_video(tmp_path / "a.nii.gz").fps == (fps if fps is None else pytest.approx(fps))


def forged(path: Path, where: int, value: bytes) -> Path:
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[where : where + len(value)] = value
    path.write_bytes(gzip.compress(bytes(content)))
    return path


@pytest.mark.parametrize(
    ("where", "value", "code"),
    [
        (42, struct.pack("<3h", 32000, 32000, 32000), "video.frame_too_large"),
        (42, struct.pack("<3h", 3200, 3200, 32000), "video.too_large"),
        (40, struct.pack("<8h", 4, 8, 8, 8, 8, 1, 1, 1), "nifti.no_sequence"),
        (70, struct.pack("<h", 128), "nifti.pixel_kind"),
        (108, struct.pack("<f", 1e9), "nifti.pixel_kind"),
        (108, struct.pack("<f", 0), "nifti.pixel_kind"),
        (42, struct.pack("<3h", 80, 64, 200), "nifti.damaged"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, where: int, value: bytes, code: str) -> None:
    write_nifti(tmp_path / "a.nii.gz", blobs(), (1, 1))
    with refused(code):
        read_video(forged(tmp_path / "a.nii.gz", where, value), max_bytes=2**20)


@pytest.fixture
def allocated() -> Iterator[Callable[[], int]]:
    """Most bytes that were allocated at once since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_that_can_not_hold_what_it_declares_costs_no_memory(
    tmp_path: Path, packed: bool, allocated: Callable[[], int]
) -> None:
    path = tmp_path / "a.nii.gz"
    write_nifti(path, blobs(), (1, 1))
    forged(path, 42, struct.pack("<3h", 500, 500, 3900))
    if not packed:
        path.write_bytes(gzip.decompress(path.read_bytes()))
    with refused("nifti.damaged"):
        read_video(path)
    assert allocated() < 2**24


def test_scaled_values_cost_the_memory_of_grey_frames(tmp_path: Path, allocated: Callable[[], int]) -> None:
    path = tmp_path / "a.nii.gz"
    write_nifti(path, np.full((100, 250, 400), 100, np.uint8), (1, 1))
    forged(path, 112, struct.pack("<2f", 0.5, 3.0))
    before = allocated()
    clip = read_video(path)
    assert (clip.frames == 53).all()
    assert allocated() < before + 15_000_000


@pytest.mark.parametrize("packed", [True, False])
def test_more_frames_than_declared_are_told(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "a.nii.gz"
    write_nifti(path, blobs(), (1, 1))
    forged(path, 46, struct.pack("<h", 18))
    if not packed:
        path.write_bytes(gzip.decompress(path.read_bytes()))
    clip = read_video(path)
    np.testing.assert_array_equal(clip.frames, blobs()[:18])
    assert clip.damaged
    assert clip.notes[0] == "header declares 18 frames, file holds more: the rest is not read"


def test_what_stands_behind_the_frames_is_read_in_bounds(tmp_path: Path) -> None:
    """A checksum far behind them is not come to: so a wrong one shows how far was read."""
    path = tmp_path / "a.nii.gz"
    write_nifti(path, blobs(), (1, 1))
    packed = bytearray(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(2 * MAX_TAIL)))
    packed[-8] ^= 1
    path.write_bytes(packed)
    assert read_video(path).notes[0] == "header declares 20 frames, file holds more: the rest is not read"


def test_a_damaged_header_that_shortens_the_pictures_is_found(tmp_path: Path) -> None:
    """The checksum stands behind bytes that such a header does not ask for."""
    write_nifti(tmp_path / "a.nii.gz", blobs(), (1, 1))
    content = bytearray((tmp_path / "a.nii.gz").read_bytes())
    checksum = content[-8:-4]
    forged(tmp_path / "a.nii.gz", 46, struct.pack("<h", 2))
    content = bytearray((tmp_path / "a.nii.gz").read_bytes())
    content[-8:-4] = checksum
    (tmp_path / "a.nii.gz").write_bytes(content)
    with refused("nifti.damaged"):
        read_video(tmp_path / "a.nii.gz")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 3000), flips=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 255)), max_size=4))
def test_broken_files_are_told_or_read_whole(tmp_path: Path, cut: int, flips: list[tuple[int, int]]) -> None:
    whole = tmp_path / "whole.nii.gz"
    write_nifti(whole, blobs(4), (1, 1))
    content = bytearray(whole.read_bytes())
    for place, change in flips:
        content[place % len(content)] ^= change
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(content[: max(1, len(content) - cut)])
    try:
        clip = read_video(broken, max_bytes=2**24)
    except VideoError as error:
        said = str(error)
    else:
        said = ""
        if not any(change for place, change in flips if place % len(content) < 10):  # those of the header mean little
            np.testing.assert_array_equal(clip.frames, blobs(4))
    assert str(tmp_path) not in said
