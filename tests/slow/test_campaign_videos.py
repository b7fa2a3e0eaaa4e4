"""Damaged, contradictory and swollen videos: each costs its own line or says what is missing, and never the run."""

from __future__ import annotations

import itertools
import json
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from echokit.data.clips.clip_file import read_header
from echokit.data.video.clip import Clip
from echokit.data.video.read import read_video
from echokit.data.video.write import write_video
from echokit.errors import VideoError
from tests.data.video.make import blobs, write_dicom
from tests.data.video.test_contradictions import LONG, write_with_b_frames
from tests.data.video.test_fuzz import FRAMES, mutate, write_sources
from tests.data.video.test_memory import FORMATS, MEASURE, RATIO
from tests.data.video.test_transfer_syntaxes import SYNTAXES, transcode
from tests.slow.campaign import Campaign

pytestmark = pytest.mark.slow

VIDEOS, DICOMS = 500, 100

# In a process of its own, so that a hang or a crash is a failed test and not a lost suite.
PREPARE = """
    import json, sys
    from pathlib import Path
    from echokit.data.preprocess.motion_mask import MotionMask
    from echokit.data.preprocess.optical_flow import OpticalFlow
    from echokit.data.preprocess.resize import Resize
    from echokit.data.clips.clip_store import ClipStore, Step

    if __name__ == "__main__":
        folder, store = map(Path, sys.argv[1:])
        steps = (
            Step("motion_mask", MotionMask(), True, "mask"),
            Step("resize", Resize(size=32), False, "32"),
            Step("optical_flow", OpticalFlow(method="dis"), False, "flow"),
        )
        sources = [(path.name, path) for path in sorted(folder.iterdir())]
        done = ClipStore(store).prepare(sources, steps, workers=2)
        prepared = {sources[row][0]: str(path) for row, path in zip(done.rows, done.clips.paths, strict=True)}
        print(json.dumps({"prepared": prepared, "failed": {f.case_id: f.reason for f in done.failures}}))
"""


def write_mutants(folder: Path, originals: Path) -> dict[str, int]:
    """Damaged copies, some under another format's name or empty; how many frames the original of each has."""
    originals.mkdir()
    folder.mkdir()
    avi, mp4, dicom, jpeg = write_sources(originals)
    for number in range(VIDEOS):
        source = avi if number % 2 else mp4
        data = b"" if number % 50 == 7 else mutate(source.read_bytes(), 5000 + number)
        suffix = ".dcm" if number % 10 == 3 else source.suffix
        (folder / f"video-{number:03d}{suffix}").write_bytes(data)
    for number in range(DICOMS):
        source = dicom if number % 2 else jpeg
        (folder / f"dicom-{number:03d}.dcm").write_bytes(mutate(source.read_bytes(), 9000 + number))
    return {path.name: len(FRAMES) for path in folder.iterdir()}


def test_mutated_videos_cost_a_line_each_and_never_the_run(tmp_path: Path) -> None:
    frames = write_mutants(tmp_path / "mutants", tmp_path / "originals")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PREPARE), str(tmp_path / "mutants"), str(tmp_path / "store")],
        capture_output=True, text=True, timeout=540, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found["failed"]) >= 50
    assert len(found["prepared"]) >= 50
    campaign = Campaign("damaged videos in one cohort")
    for name in frames:
        with campaign.attempt(name):
            assert (name in found["prepared"]) != (name in found["failed"])
            if name in found["failed"]:
                reason = found["failed"][name]
                assert reason
                assert "ended" not in reason, "it crashed its decoder"
                assert str(tmp_path) not in reason
            else:
                header = read_header(Path(found["prepared"][name]))
                assert header is not None
                assert header["frames"] >= frames[name] or header["notes"], "it lost frames without a note"
    campaign.finish(at_least=VIDEOS + DICOMS)


# Tables of an MP4 that count and place its frames; where in each a number stands that is changed.
TABLES = {
    b"stts": (8, 12, 16),
    b"ctts": (8, 12),
    b"stsz": (8, 12, 16),
    b"stsc": (8, 12, 16),
    b"stco": (8, 12),
    b"elst": (8, 12, 16),
}
VALUES = (0, 1, 7, 39, 41, 2**31 - 1, 2**32 - 1)
CHANGES = {
    "half the rows": {"Rows": 23}, "a row less": {"Rows": 45}, "a column less": {"Columns": 62},
    "twice as wide": {"Columns": 126}, "16 bits": {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15},
    "12 bits": {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}, "8 in 16 bits": {"BitsAllocated": 16},
    "three samples": {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0},
    "fewer frames": {"NumberOfFrames": 3}, "more frames": {"NumberOfFrames": 9},
}  # fmt: skip


def changed_tables(source: Path) -> Iterator[tuple[str, bytes]]:
    content = source.read_bytes()
    for (table, places), value in itertools.product(TABLES.items(), VALUES):
        at = content.find(table)
        for place in places if at >= 0 else ():
            changed = content[: at + place] + struct.pack(">L", value) + content[at + place + 4 :]
            if changed != content:
                yield f"{source.name}, {table.decode()} at {place}: {value}", changed


def told_or_whole(path: Path, whole: Clip) -> None:
    """Expect a refusal, a damaged clip, or every frame as it was."""
    try:
        clip = read_video(path)
    except VideoError:
        return
    if not clip.damaged:
        np.testing.assert_array_equal(clip.frames, whole.frames)


def test_parts_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    campaign = Campaign("contradictory videos")
    write_with_b_frames(tmp_path / "b-frames.mp4")
    write_video(tmp_path / "plain.mp4", LONG, 50)
    for name in ("b-frames.mp4", "plain.mp4"):
        whole = read_video(tmp_path / name)
        for change, content in changed_tables(tmp_path / name):
            (tmp_path / "changed.mp4").write_bytes(content)
            with campaign.attempt(change):
                told_or_whole(tmp_path / "changed.mp4", whole)
    source = write_dicom(tmp_path / "source", blobs(5, 46, 63))
    for syntax in SYNTAXES:
        path = transcode(source, tmp_path / "changed.dcm", syntax)
        whole, content = read_video(path), path.read_bytes()
        for change, elements in CHANGES.items():
            path.write_bytes(content)
            header = dcmread(path)
            for keyword, value in elements.items():
                setattr(header, keyword, value)
            header.save_as(path)
            with campaign.attempt(f"{syntax}, {change}"):
                told_or_whole(path, whole)
    campaign.finish(at_least=200)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak as Linux gives it")
def test_large_pictures_cost_one_and_a_half_times_their_frames(tmp_path: Path) -> None:
    campaign = Campaign("videos of large pictures")
    (tmp_path / "small").mkdir()
    sizes = dict.fromkeys(("a.avi", "a.mp4", "plain.dcm", "deflated.dcm", "rle.dcm"), (24, 4096))
    for name, (count, side) in sizes.items():
        small, large = tmp_path / "small" / name, tmp_path / name
        FORMATS[name](small, blobs(2, 64, 64))
        FORMATS[name](large, np.broadcast_to(blobs(1, side, side), (count, side, side)))
        with campaign.attempt(name):
            done = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(MEASURE), str(small), str(large)],
                capture_output=True, text=True, timeout=240, check=True,
            )  # fmt: skip
            assert float(done.stdout) < RATIO
        large.unlink()
    campaign.finish(at_least=len(sizes))
