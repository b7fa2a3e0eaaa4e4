"""``echokit mask`` on the real four-chamber clips and on a phantom heart."""

import csv
import shutil
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from echokit import read_video, write_video
from echokit.cli import exit_code
from echokit.data.preprocess.mask_region import lit_and_kept, mask_region


def real_clip() -> Path:
    from pydicom.examples import get_path

    return Path(get_path("ybr_color"))


def test_the_real_clip_keeps_the_heart_and_loses_the_interface(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["mask", str(real_clip()), "--out", str(tmp_path)]) == 0
    (video,) = tmp_path.glob("*.avi")
    assert video.stem.startswith("case-")  # a pseudonym
    assert "which file is which: " in capfd.readouterr().err
    assert (tmp_path / f"{video.stem}.png").read_bytes().startswith(b"\x89PNG")
    before, after = read_video(real_clip()).frames, read_video(video).frames
    assert after.shape == before.shape
    height, width = before.shape[1:]
    heart = np.s_[:, height // 2 - 30 : height // 2 + 30, width // 2 - 30 : width // 2 + 30]
    assert np.abs(after[heart].astype(int) - before[heart]).mean() < 6
    frame = np.concatenate([after[:, :12].ravel(), after[:, :, :12].ravel(), after[:, :, -12:].ravel()])
    assert (frame < 16).all()  # the margins, where the interface is, are black


def write_bad(path: Path, phantom: Path) -> None:
    if path.name == "no_pixels.dcm":
        dataset = pydicom.dcmread(real_clip())
        del dataset.PixelData
        dataset.save_as(path)
    elif path.name == "truncated.avi":
        content = next((phantom / "Videos").iterdir()).read_bytes()
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_text("no video" if path.name == "text.avi" else "")


@pytest.mark.parametrize("text", ["text.avi", "empty.dcm", "no_pixels.dcm", "truncated.avi"])
def test_a_bad_file_is_said_and_the_rest_is_masked(
    text: str, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    write_bad(source / text, phantom)
    shutil.copy(next((phantom / "Videos").iterdir()), source / "heart.avi")
    assert exit_code(["mask", str(source), "--out", str(tmp_path / "out")]) == 2
    assert (tmp_path / "out" / "heart.avi").is_file()
    said = capfd.readouterr().err
    assert ("1 of 2 videos are damaged" if text == "truncated.avi" else "not masked:") in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--method", "resize"], "does not mask"),
        (["--method", "motion_musk"], "did you mean 'motion_mask'"),
        (["--set", "treshold=3"], "did you mean 'threshold'"),
        (["--set", "threshold=-1"], "threshold"),
    ],
)
def test_a_wrong_method_or_parameter_is_said(
    arguments: list[str], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["mask", str(real_clip()), "--out", str(tmp_path), *arguments]) == 2
    assert said in capfd.readouterr().err


def test_console_and_picture_tell_one_share_under_one_wording(
    phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    monkeypatch.setattr("cv2.putText", lambda _picture, text, *_rest: drawn.append(text))
    video = next((phantom / "Videos").iterdir())
    arguments = ["mask", str(video), "--out", str(tmp_path), "--method", "random_mask"]
    assert exit_code(arguments) == 0
    (kept,) = {text for text in drawn if text.startswith("kept: ")}
    assert f"{video.stem}: {kept}\n" in capfd.readouterr().err


def test_black_is_not_counted_as_kept() -> None:
    before = np.zeros((2, 4, 10), np.uint8)
    before[:, :, :5] = 9
    after = before.copy()
    after[:, :2, :5] = 0
    region = mask_region(before, after)
    assert (lit_and_kept(before, region), region.mean()) == (0.5, 0.75)
    assert lit_and_kept(before[:, :, 5:], region[:, 5:]) == 1


def test_files_of_one_name_do_not_collide_and_can_be_found_again(
    phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path / "cache"))
    video = next((phantom / "Videos").iterdir())
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(video, tmp_path / folder / "same.avi")
    assert exit_code(["mask", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.avi")) == ["same-2.avi", "same.avi"]
    sources = tmp_path / "cache" / "sources.csv"
    assert str(sources) in capfd.readouterr().err
    with sources.open() as file:
        assert {(row["case_id"], row["source"]) for row in csv.DictReader(file)} == {
            ("same", str(tmp_path / "a" / "same.avi")),
            ("same-2", str(tmp_path / "b" / "same.avi")),
        }


def test_a_path_that_is_not_there_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["mask", str(tmp_path / "nothing.avi"), "--out", str(tmp_path / "out")]) == 2
    assert "no such file or folder" in capfd.readouterr().err


def test_an_mp4_is_masked_too(phantom: Path, tmp_path: Path) -> None:
    clip = read_video(next((phantom / "Videos").iterdir()))
    write_video(tmp_path / "heart.mp4", clip.frames, clip.fps or 30.0)
    assert exit_code(["mask", str(tmp_path / "heart.mp4"), "--out", str(tmp_path / "out")]) == 0
    assert len(read_video(tmp_path / "out" / "heart.avi")) == len(clip)


def write_writing(path: Path) -> None:
    """Write a still picture with a name in it, as a worklist or an end screen has."""
    picture = np.zeros((240, 320), np.uint8)
    cv2.putText(picture, "QUILL, ZEBEDEE", (20, 120), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255)
    write_video(path, np.repeat(picture[None], 20, axis=0), 30.0)


def test_a_video_with_nothing_to_mask_is_not_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_writing(tmp_path / "text.avi")
    out = tmp_path / "out"
    assert exit_code(["mask", str(tmp_path / "text.avi"), "--out", str(out)]) == 2
    assert not list(out.iterdir())
    said = capfd.readouterr()
    assert "text: nothing to mask: not written" in said.err
    assert "0 masked videos" in said.out
    assert "1 of 1 videos have nothing to mask" in said.err


@pytest.mark.parametrize(("beside", "code"), [(False, 2), (True, 0)])
def test_an_unmasked_video_is_written_if_requested(
    phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], beside: bool, code: int
) -> None:
    (tmp_path / "in").mkdir()
    write_writing(tmp_path / "in" / "text.avi")
    if beside:
        shutil.copy(next((phantom / "Videos").iterdir()), tmp_path / "in" / "heart.avi")
    arguments = ["mask", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--keep-unmasked"]
    assert exit_code(arguments) == code
    before, after = (read_video(tmp_path / folder / "text.avi").frames for folder in ("in", "out"))
    assert np.abs(after.astype(int) - before).mean() < 1
    said = capfd.readouterr()
    assert f"{int(beside)} masked videos" in said.out
    assert "text: nothing to mask: written as it is" in said.err


def test_the_mask_that_masks_nothing_writes_nothing(phantom: Path, tmp_path: Path) -> None:
    video = next((phantom / "Videos").iterdir())
    arguments = ["mask", str(video), "--out", str(tmp_path / "out"), "--method", "no_mask"]
    assert exit_code(arguments) == 2
    assert not list((tmp_path / "out").iterdir())
