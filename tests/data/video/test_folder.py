"""Folders as videos: numbered frames and DICOM series."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echokit import read_video
from echokit.data.video.readers import find_reader
from echokit.system.files import natural_key
from echokit.system.hashing import content_hash
from tests.data.video.make import IDENTIFIER, blobs, write_dicom
from tests.expect import refused


def frames_in(folder: Path, frames: np.ndarray, name: str = "frame_{}.png", first: int = 1) -> Path:
    folder.mkdir()
    for number, image in enumerate(frames, start=first):
        cv2.imwrite(str(folder / name.format(number)), image)
    return folder


def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    frames = blobs(12)
    folder = frames_in(tmp_path / "clip", frames)
    clip = read_video(folder)
    np.testing.assert_array_equal(clip.frames, frames)
    assert clip.fps is None
    assert clip.notes == ("a folder of frames gives no frame rate",)
    assert not clip.damaged
    assert find_reader(folder).reader.name == "frames"
    np.testing.assert_array_equal(read_video(folder, frames=3).frames, frames[:3])


@given(st.lists(st.integers(0, 10**6), min_size=2, unique=True))
def test_natural_order_is_that_of_the_numbers(numbers: list[int]) -> None:
    names = [f"f{number}.png" for number in numbers]
    assert sorted(names, key=natural_key) == [f"f{number}.png" for number in sorted(numbers)]


def test_the_luma_of_a_jpeg_is_taken_as_it_is(tmp_path: Path) -> None:
    colour = np.dstack([blobs(1)[0]] * 3)
    colour[:20, :20] = (255, 0, 0)
    folder = tmp_path / "clip"
    folder.mkdir()
    cv2.imwrite(str(folder / "1.jpg"), colour, [cv2.IMWRITE_JPEG_QUALITY, 95])
    expected = cv2.imread(str(folder / "1.jpg"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(read_video(folder).frames[0], expected)


def test_deep_and_coloured_pngs_follow_the_rule_of_grey(tmp_path: Path) -> None:
    deep, colour = tmp_path / "deep", tmp_path / "colour"
    frames_in(deep, blobs(2).astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_video(deep).frames, blobs(2))
    frames_in(colour, np.repeat(blobs(2)[..., None], 3, axis=-1))
    np.testing.assert_array_equal(read_video(colour).frames, blobs(2))


def test_a_missing_number_is_noted_as_damage(tmp_path: Path) -> None:
    folder = frames_in(tmp_path / "clip", blobs(12))
    (folder / "frame_4.png").unlink()
    (folder / "frame_7.png").unlink()
    clip = read_video(folder)
    assert "numbers that are missing: 2" in clip.notes
    assert clip.damaged
    every_second = frames_in(tmp_path / "even", blobs(6), "t{}0.png")
    assert not read_video(every_second).damaged


def test_a_broken_picture_costs_its_frame_and_is_counted(tmp_path: Path) -> None:
    folder = frames_in(tmp_path / "clip", blobs(6), "{}.jpg")
    whole = (folder / "3.jpg").read_bytes()
    (folder / "3.jpg").write_bytes(whole[: len(whole) // 2])
    clip = read_video(folder)
    assert len(clip) == 5
    assert "left out because corrupt or empty: 1 frames" in clip.notes
    assert clip.damaged


def test_other_files_are_counted_not_read(tmp_path: Path) -> None:
    folder = frames_in(tmp_path / "clip", blobs(3))
    (folder / "notes.txt").write_text("hello")
    (folder / ".DS_Store").write_text("")
    (folder / "more").mkdir()
    assert read_video(folder).notes[-1] == "files of another kind in the folder: 1"


def test_what_is_no_video_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with refused("folder.not_one_video"):
        read_video(tmp_path / "empty")
    twice = frames_in(tmp_path / "twice", blobs(3))
    (twice / "frame_01.png").write_bytes((twice / "frame_1.png").read_bytes())
    with refused("frames.same_number"):
        read_video(twice)
    names = frames_in(tmp_path / "names", blobs(2))
    (names / "frame_2.png").rename(names / "last.png")
    with refused("frames.not_numbered"):
        read_video(names)
    sizes = frames_in(tmp_path / "sizes", blobs(2))
    cv2.imwrite(str(sizes / "frame_3.png"), blobs(1, 10, 12)[0])
    with refused("video.frame_sizes", names=("80x64", "12x10")):
        read_video(sizes)
    large = frames_in(tmp_path / "large", blobs(9))
    with refused("video.too_large"):
        read_video(large, max_bytes=8 * 64 * 80)


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, exists: bool) -> None:
    folder = frames_in(tmp_path / "clip", blobs(2))
    if exists:
        cv2.imwrite(str(tmp_path / "secret.png"), blobs(1)[0])
    (folder / "frame_3.png").symlink_to(tmp_path / "secret.png")
    with refused("folder.link"):
        read_video(folder)
    with refused("folder.link"):
        content_hash(folder)


def test_the_fingerprint_of_a_folder_is_the_content_in_order(tmp_path: Path) -> None:
    one = frames_in(tmp_path / "one", blobs(11))
    same = frames_in(tmp_path / "two", blobs(11), "{}.png", first=5)
    assert content_hash(one) == content_hash(same)
    os.rename(same / "5.png", same / "16.png")
    assert content_hash(one) != content_hash(same)


def series(folder: Path, frames: np.ndarray, **elements: object) -> Path:
    folder.mkdir()
    for number, image in enumerate(frames, start=1):
        # Names that lie about the order: a series is ordered by its instance numbers.
        write_dicom(folder / f"IM{len(frames) - number:03}", image[None], InstanceNumber=number, **elements)
    return folder


def test_a_series_of_single_frames_is_one_clip(tmp_path: Path) -> None:
    folder = series(tmp_path / "series", blobs(5), SeriesInstanceUID="1.2.3")
    clip = read_video(folder)
    np.testing.assert_array_equal(clip.frames, blobs(5))
    assert clip.fps == 50
    assert find_reader(folder).reader.name == "dicom_series"
    (folder / "IM002").unlink()
    short = read_video(folder)
    assert short.damaged
    assert "instance numbers that are missing: 1" in short.notes


def test_a_folder_with_one_clip_is_that_clip(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    write_dicom(tmp_path / "study" / "IM1", blobs(6))
    np.testing.assert_array_equal(read_video(tmp_path / "study").frames, blobs(6))


def test_a_folder_of_several_clips_series_or_patients_is_refused(tmp_path: Path) -> None:
    two = tmp_path / "two"
    two.mkdir()
    for name in ("a", "b"):
        write_dicom(two / name, blobs(6))
    with refused("dicom_series.multiframe"):
        read_video(two)
    mixed = series(tmp_path / "mixed", blobs(3), SeriesInstanceUID="1.2.3")
    write_dicom(mixed / "z", blobs(1), SeriesInstanceUID="1.2.4")
    with refused("dicom_series.mixed", names=("2",)):
        read_video(mixed)
    patients = series(tmp_path / "patients", blobs(3))
    write_dicom(patients / "z", blobs(1), PatientID="other")
    with refused("dicom_series.mixed", names=("2",)) as caught:
        read_video(patients)
    assert IDENTIFIER not in str(caught.value)
