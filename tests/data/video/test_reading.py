from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from echokit.data.video.read import read_video
from echokit.data.video.readers import find_reader
from echokit.data.video.write import write_video
from tests.expect import refused

from .make import blobs, write_dicom


def test_what_is_no_video_is_named_by_its_file_alone(tmp_path: Path) -> None:
    (tmp_path / "empty.avi").touch()
    (tmp_path / "text.avi").write_text("FileName,EF\n" * 30)
    (tmp_path / "folder.avi").mkdir()
    codes = {
        "gone.avi": "file.missing",
        "empty.avi": "file.empty",
        "text.avi": "video.unknown_format",
        "folder.avi": "folder.not_one_video",
    }
    for name, code in codes.items():
        with refused(code) as caught:
            read_video(tmp_path / name)
        assert caught.value.where == name
        assert str(tmp_path) not in str(caught.value)
        assert caught.value.hint
    with refused("file.unreadable"):
        read_video("bad\0name.avi")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    (tmp_path / "locked.avi").write_bytes(b"RIFF")
    (tmp_path / "locked.avi").chmod(0)
    with refused("file.unreadable"):
        read_video(tmp_path / "locked.avi")


def test_content_counts_not_the_extension(tmp_path: Path) -> None:
    write_video(tmp_path / "a.avi", blobs(3), 25)
    write_video(tmp_path / "b.mp4", blobs(3), 25)
    write_dicom(tmp_path / "c.dcm", blobs(3))
    for name, kind in (("a.avi", "AVI"), ("b.mp4", "MP4"), ("c.dcm", "DICOM")):
        renamed = tmp_path / f"{name}.txt"
        (tmp_path / name).rename(renamed)
        assert find_reader(renamed).reader.name == kind.lower()
        clip = read_video(renamed)
        assert len(clip) == 3
        assert clip.source.startswith(kind)


def test_reading_damaged_files_prints_nothing_and_importing_is_light(tmp_path: Path) -> None:
    write_video(tmp_path / "a.avi", blobs(10), 25)
    data = bytearray((tmp_path / "a.avi").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = os.urandom(400)
    (tmp_path / "a.avi").write_bytes(data)
    write_dicom(tmp_path / "b.dcm", blobs(4), PatientID="X" * 100, declared=7)  # longer than an LO may be
    program = (
        "import sys; import echokit.data.video.read, echokit.data.video.write;"
        "import echokit.data.video.container, echokit.data.video.dicom;"
        "print(sorted({'av', 'cv2', 'pydicom', 'torch', 'pandas'} & set(sys.modules)));"
        "[echokit.data.video.read.read_video(name) for name in sys.argv[1:]]"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.avi"), str(tmp_path / "b.dcm")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""
