"""What a video costs in memory: one array of grey frames, within one limit for every format."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from echokit.data.video.clip import Frames
from echokit.data.video.read import read_video
from echokit.data.video.write import write_video
from tests.expect import refused

from .make import blobs, write_dicom
from .test_dicom_limits import deflated
from .test_nifti import write_nifti
from .test_transfer_syntaxes import transcode

COUNT, SIDE = 32, 1024
RATIO = 1.5

# Read a small file first: what libraries need once is no part of the video. Then print the peak over the decoded size.
MEASURE = """
    import sys
    from pathlib import Path
    from echokit import read_video

    def memory(name):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

    small, large = sys.argv[1:]
    read_video(small)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
    size = read_video(large).frames.nbytes
    print((memory("VmHWM") - before) / size)
"""


def write_frames(folder: Path, frames: Frames) -> None:
    folder.mkdir()
    for number, image in enumerate(frames):
        cv2.imwrite(str(folder / f"frame_{number}.png"), image)


def write_series(folder: Path, frames: Frames) -> None:
    folder.mkdir()
    for number, image in enumerate(frames):
        write_dicom(folder / f"{number}.dcm", image[None], InstanceNumber=number + 1, SeriesInstanceUID="1.2")


def coded(syntax: str) -> Callable[[Path, Frames], object]:
    return lambda path, frames: transcode(write_dicom(path.with_suffix(".raw"), frames), path, syntax)


FORMATS: dict[str, Callable[[Path, Frames], object]] = {
    "a.avi": lambda path, frames: write_video(path, frames, 50),
    "a.mp4": lambda path, frames: write_video(path, frames, 50),
    "plain.dcm": write_dicom,
    "deflated.dcm": lambda path, frames: deflated(path, write_dicom(path.with_suffix(".raw"), frames), 0),
    "rle.dcm": coded("RLELossless"),
    "jpeg.dcm": coded("JPEGBaselineProcess1"),
    "j2k.dcm": coded("JPEG2000Lossless"),
    "a.nii.gz": lambda path, frames: write_nifti(path, frames, (1, 1)),
    "oblong.nii.gz": lambda path, frames: write_nifti(path, frames, (1, 0.8)),
    "frames": write_frames,
    "series": write_series,
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak as Linux gives it")
@pytest.mark.parametrize("name", FORMATS)
def test_a_video_costs_less_than_one_and_a_half_times_its_frames(tmp_path: Path, name: str) -> None:
    (tmp_path / "small").mkdir()
    small, large = tmp_path / "small" / name, tmp_path / name
    FORMATS[name](small, blobs(2, 64, 64))
    FORMATS[name](large, np.broadcast_to(blobs(1, SIDE, SIDE), (COUNT, SIDE, SIDE)))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEASURE), str(small), str(large)],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert 0.5 < float(done.stdout) < RATIO


@pytest.mark.parametrize("name", FORMATS)
def test_one_limit_holds_for_every_format(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = blobs(20, 256, 256)
    FORMATS[name](tmp_path / name, frames)
    monkeypatch.setenv("ECHOKIT_VIDEO_GIB", str(19.5 * 0.8 * 256 * 256 / 2**30))
    with refused("video.too_large", name, names=("trim", "ECHOKIT_VIDEO_GIB")):
        read_video(tmp_path / name)
    assert len(read_video(tmp_path / name, frames=8)) == 8
    monkeypatch.setenv("ECHOKIT_VIDEO_GIB", str(20 * 256 * 256 / 2**30))
    assert len(read_video(tmp_path / name)) == 20


def write_deep_h264(path: Path, frames: Frames) -> None:
    with av.open(path, "w") as file:
        stream = file.add_stream("libx264", rate=50, options={"preset": "ultrafast"})
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "yuv444p10le"
        for image in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        file.mux(stream.encode(None))


LARGE: dict[str, tuple[int, Callable[[Path, Frames], object]]] = {
    "a.avi": (4098, FORMATS["a.avi"]),
    "a.mp4": (4098, FORMATS["a.mp4"]),
    "deep.mp4": (4096, write_deep_h264),  # whose decoder could hold 1.6 GB of frames
    "plain.dcm": (4098, FORMATS["plain.dcm"]),
    "a.nii.gz": (4098, FORMATS["a.nii.gz"]),
    "frames": (4098, FORMATS["frames"]),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_frame_larger_than_any_screen_is_refused(tmp_path: Path, name: str) -> None:
    side, write = LARGE[name]
    write(tmp_path / name, np.zeros((2, side, side), np.uint8))
    with refused("video.frame_too_large", names=(f"{side}x{side}",)):
        read_video(tmp_path / name)


@pytest.mark.parametrize("text", ["0", "-1", "lots", "nan", "inf"])
def test_a_limit_that_is_no_size_is_refused(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "a.avi", blobs(), 50)
    monkeypatch.setenv("ECHOKIT_VIDEO_GIB", text)
    with refused("video.limit", "ECHOKIT_VIDEO_GIB"):
        read_video(tmp_path / "a.avi")
