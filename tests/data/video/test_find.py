from pathlib import Path

import cv2

from echokit.cli import exit_code
from echokit.data.video.find import expand
from tests.data.video.make import blobs
from tests.expect import refused


def frames_in(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number, image in enumerate(blobs(12)):
        cv2.imwrite(str(folder / f"frame_{number}.png"), image)
    return folder


def test_a_folder_stands_for_its_files_and_frames_for_one_video(tmp_path: Path) -> None:
    frames = frames_in(tmp_path / "study" / "b")
    (tmp_path / "study" / "c").mkdir()
    files = [tmp_path / "study" / name for name in ("a.avi", "c/d.dcm", "e.avi")]
    for path in (*files, tmp_path / "study" / ".hidden"):
        path.touch()
    (tmp_path / "study" / "loop").symlink_to(tmp_path)
    assert expand([str(tmp_path / "study")]) == [files[0], frames, files[1], files[2]]
    assert expand([str(frames), str(files[2])]) == [frames, files[2]]
    assert expand([str(frames / "frame_0.png")]) == [frames / "frame_0.png"]


def test_what_is_missing_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with refused("source.missing", names=("nowhere.avi", "empty")):
        expand([str(tmp_path / "nowhere.avi"), str(tmp_path / "empty")])


def test_a_folder_of_frames_is_masked_as_one_video(tmp_path: Path) -> None:
    frames = frames_in(tmp_path / "clip")
    assert exit_code(["mask", str(frames), "--out", str(tmp_path / "masked")]) == 0
    assert {path.name for path in (tmp_path / "masked").iterdir()} == {"clip.avi", "clip.png"}
