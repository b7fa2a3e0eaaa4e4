from __future__ import annotations

import contextlib
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echokit.data.video.container import frame_to_grey
from echokit.data.video.read import read_video
from echokit.data.video.write import write_video
from echokit.errors import VideoError
from tests.expect import refused

from .make import blobs


@pytest.fixture
def avi(tmp_path: Path) -> Path:
    write_video(tmp_path / "a.avi", blobs(40), 50)
    return tmp_path / "a.avi"


@settings(max_examples=15, deadline=None)
@given(
    count=st.integers(1, 6),
    height=st.integers(9, 70),
    width=st.integers(9, 70),
    fps=st.sampled_from([5.0, 18.0, 29.97, 50.0, 138.0]),
    suffix=st.sampled_from([".avi", ".mp4"]),
    colour=st.booleans(),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    count: int, height: int, width: int, fps: float, suffix: str, colour: bool,
) -> None:  # fmt: skip
    if suffix == ".mp4":
        height, width = height + height % 2 + 8, width + width % 2 + 8
    frames = blobs(count, height, width)
    path = tmp_path_factory.mktemp("v") / f"clip{suffix}"
    write_video(path, np.repeat(frames[..., None], 3, axis=3) if colour else frames, fps)
    clip = read_video(path)
    assert clip.frames.shape == frames.shape
    assert np.abs(clip.frames.astype(int) - frames).mean() < 3
    assert clip.fps == pytest.approx(fps, rel=1e-3)
    assert clip.times is None
    assert clip.notes == ()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_the_same_frames_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    written = []
    for number in range(3):
        write_video(tmp_path / f"{number}{suffix}", blobs(30), 50)
        written.append((tmp_path / f"{number}{suffix}").read_bytes())
    assert written[0] == written[1] == written[2]


def test_frames_limits_what_is_decoded(avi: Path) -> None:
    clip = read_video(avi, frames=7)
    assert len(clip) == 7
    assert clip.notes == ()
    np.testing.assert_array_equal(clip.frames, read_video(avi).frames[:7])
    with pytest.raises(ValueError, match="at least 1"):
        read_video(avi, frames=0)


def test_a_lost_tail_is_told(avi: Path) -> None:
    data = avi.read_bytes()
    avi.write_bytes(data[: len(data) // 2])
    clip = read_video(avi)
    assert 10 < len(clip) < 30
    assert f"header declares 40 frames, {len(clip)} decoded" in clip.notes


def test_a_frame_lost_in_the_middle_is_told_and_leaves_a_gap_in_time(avi: Path) -> None:
    whole = read_video(avi)
    data = bytearray(avi.read_bytes())
    starts = [i for i in range(len(data)) if data[i : i + 4] == b"00dc" and data[i + 8 : i + 10] == b"\xff\xd8"]
    lost = starts[20]
    data[lost + 100 : lost + 500] = b"\0" * 400
    avi.write_bytes(data)
    clip = read_video(avi)
    assert len(clip) == 39
    assert "left out because corrupt or empty: 1 frames" in clip.notes
    assert clip.times is not None
    np.testing.assert_allclose(np.diff(clip.times), [0.02] * 19 + [0.04] + [0.02] * 18, atol=1e-9)
    np.testing.assert_array_equal(clip.frames, np.delete(whole.frames, 20, axis=0))


@pytest.mark.parametrize("forged", [2_000_000_000, 1, 0])
def test_the_frame_count_of_the_header_is_not_believed(avi: Path, forged: int) -> None:
    data = bytearray(avi.read_bytes())
    data[48:52] = struct.pack("<L", forged)  # avih: dwTotalFrames
    strh = data.index(b"strh")
    data[strh + 8 + 32 : strh + 8 + 36] = struct.pack("<L", forged)  # strh: dwLength
    avi.write_bytes(data)
    clip = read_video(avi)
    assert len(clip) == 40
    assert bool(clip.notes) == (forged != 0)


def test_a_huge_declared_size_is_not_believed(avi: Path) -> None:
    data = bytearray(avi.read_bytes())
    strf = data.index(b"strf")
    data[strf + 12 : strf + 20] = struct.pack("<ll", 1_000_000, 1_000_000)
    avi.write_bytes(data)
    with contextlib.suppress(VideoError):
        assert read_video(avi).frames.shape == (40, 64, 80)


def test_more_than_the_bound_is_refused(avi: Path) -> None:
    with refused("video.too_large") as caught:
        read_video(avi, max_bytes=10 * 64 * 80)
    assert "trim" in str(caught.value)
    assert len(read_video(avi, frames=10, max_bytes=10 * 64 * 80)) == 10


def test_a_missing_frame_rate_is_none_and_told(avi: Path) -> None:
    data = bytearray(avi.read_bytes())
    strh = data.index(b"strh") + 8
    data[strh + 20 : strh + 28] = struct.pack("<LL", 1, 1_000_000)
    avi.write_bytes(data)
    clip = read_video(avi)
    assert clip.fps is None
    assert any("frame rate" in note for note in clip.notes)


def test_frames_that_change_their_size_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.avi"
    parts = []
    for height in (64, 48):
        write_video(path, blobs(6, height, 64), 25)
        with av.open(str(path)) as container:
            parts.append([bytes(packet) for packet in container.demux(video=0) if packet.size])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuvj420p"
        for number, data in enumerate(parts[0] + parts[1]):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 25)
            container.mux(packet)
    with refused("video.frame_sizes", names=("64x48", "frame 6")):
        read_video(path)


def test_uneven_times_come_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "uneven.mp4"
    due = [0, 20, 40, 100, 120, 150]  # ms
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=50, options={"bf": "0"})
        stream.height, stream.width, stream.pix_fmt = 64, 80, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for ms, image in zip(due, blobs(6), strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    clip = read_video(path)
    assert clip.times is not None
    np.testing.assert_allclose(clip.times, np.array(due) / 1000, atol=1e-3)


@pytest.mark.parametrize("width", [64, 37])
def test_the_rule_for_grey(width: int) -> None:
    ramp = np.tile(np.linspace(0, 255, width).astype(np.uint8), (16, 1))
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.repeat(ramp[..., None], 3, 2)), format="rgb24")
    np.testing.assert_array_equal(frame_to_grey(rgb), ramp)
    np.testing.assert_array_equal(frame_to_grey(av.VideoFrame.from_ndarray(ramp, format="gray")), ramp)
    for name in ("yuvj420p", "yuvj422p", "yuvj444p"):
        np.testing.assert_array_equal(frame_to_grey(_yuv(ramp, name)), ramp)
    studio = np.rint(ramp * (219 / 255) + 16).astype(np.uint8)
    assert np.abs(frame_to_grey(_yuv(studio, "yuv420p")).astype(int) - ramp).max() <= 1
    over = np.array([[0, 16, 235, 255]] * 4, np.uint8)
    np.testing.assert_array_equal(frame_to_grey(_yuv(over, "yuv420p"))[0], [0, 0, 255, 255])


def _yuv(luma: np.ndarray, name: str) -> av.VideoFrame:
    frame = av.VideoFrame(luma.shape[1], luma.shape[0], name)
    for number, plane in enumerate(frame.planes):
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        lines[:] = 77  # the padding must not come back
        if number == 0:
            lines[: luma.shape[0], : luma.shape[1]] = luma
    return frame


@pytest.mark.parametrize(
    ("frames", "fps", "name", "code"),
    [
        (blobs(3), 25, "a.mov", "write.extension"),
        (blobs(3)[:0], 25, "a.avi", "write.no_frames"),
        (blobs(3), 0, "a.avi", "write.frame_rate"),
        (blobs(3), float("nan"), "a.avi", "write.frame_rate"),
        (blobs(3, 33, 40), 25, "a.mp4", "write.odd_size"),
        (blobs(3).astype(np.float32), 25, "a.avi", "write.frames"),
    ],
)
def test_unwritable_frames_are_refused(tmp_path: Path, frames: np.ndarray, fps: float, name: str, code: str) -> None:
    with refused(code):
        write_video(tmp_path / name, frames, fps)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_a_clear_error(tmp_path: Path) -> None:
    with refused("file.not_writable"):
        write_video(tmp_path / "absent" / "a.avi", blobs(3), 25)
