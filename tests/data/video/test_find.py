import shutil
from pathlib import Path

import cv2
import pytest

from echokit.cli import exit_code
from echokit.data.video.find import expand, is_no_video, split_videos
from echokit.data.video.write import write_video
from tests.data.video.make import blobs, write_dicom
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
    hidden = tmp_path / "study" / ".hidden"
    (tmp_path / "study" / ".git").mkdir()
    for path in (*files, hidden, tmp_path / "study" / ".git" / "f.avi"):
        path.touch()
    (tmp_path / "study" / "loop").symlink_to(tmp_path)
    assert expand([str(tmp_path / "study")]) == [hidden, files[0], frames, files[1], files[2]]
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


JUNK = {
    "DICOMDIR": b"", "Thumbs.db": b"\xd0\xcf\x11\xe0", ".DS_Store": b"\0\0\0\1Bud1", "._heart.avi": b"\0\5\x16\7",
    "desktop.ini": b"", "list.xlsx": b"PK\3\4", "notes.txt": b"see AVI", "empty.txt": b"",
    "README": "Herz für Öhm".encode() * 99,
    "shot.png": b"\x89PNG", "SHOT": b"\xff\xd8\xff\xe0", "report.pdf": b"%PDF-1.7", "report": b"%PDF-1.7\0",
    "1.2.840": b"PK\3\4", "heart.avi.part": b"RIFF",
}  # fmt: skip
BROKEN = {
    "a.avi": b"no video", "b.dcm": b"", "c.mov": b"\0" * 400, "IM0001": b"", "IM0002": bytes(range(256)),
    "1.2.840.1": b"\0" * 400, "d.nii.gz": b"", "e.mp4": b"%PDF",
}  # fmt: skip


def write_all(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_what_is_no_video_is_known_by_name_and_content(tmp_path: Path) -> None:
    write_all(tmp_path, JUNK | BROKEN)
    write_dicom(tmp_path / "DICOMDIR", blobs(2))
    write_dicom(tmp_path / "heart.txt", blobs(2))
    found, others = split_videos(expand([str(tmp_path)]))
    assert {path.name for path in found} == {*BROKEN, "heart.txt"}
    assert others == len(JUNK)
    assert is_no_video(tmp_path / "notes.txt")
    with refused("source.no_video", names=("2",)):
        split_videos([tmp_path / "notes.txt", tmp_path / "DICOMDIR"])


def test_a_screenshot_does_not_make_a_folder_of_videos_one_video(tmp_path: Path) -> None:
    for name in ("a.avi", "b.avi"):
        write_video(tmp_path / name, blobs(), 50)
    for shots in (["shot 1.png"], ["shot 1.png", "shot 2.png"]):
        for name in shots:
            cv2.imwrite(str(tmp_path / name), blobs(1)[0])
        found, others = split_videos(expand([str(tmp_path)]))
        assert [path.name for path in found] == ["a.avi", "b.avi"]
        assert others == len(shots)


def test_mask_counts_once_what_is_no_video(phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_all(tmp_path / "in", JUNK)
    shutil.copy(next((phantom / "Videos").iterdir()), tmp_path / "in" / "heart.avi")
    assert exit_code(["mask", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    said = capfd.readouterr()
    assert said.err.count("not videos") == 1
    assert f"{len(JUNK)} files are not videos" in said.err
    assert "1 masked videos" in said.out
