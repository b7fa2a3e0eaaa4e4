"""Hundreds of damaged files in one cohort: each costs its own line, with a reason, and never the run."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from echokit.data.clips.clip_file import read_header
from tests.data.video.test_fuzz import FRAMES, mutate, write_sources

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
    import json

    frames = write_mutants(tmp_path / "mutants", tmp_path / "originals")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PREPARE), str(tmp_path / "mutants"), str(tmp_path / "store")],
        capture_output=True, text=True, timeout=540, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found["prepared"]) | set(found["failed"]) == set(frames)
    assert not set(found["prepared"]) & set(found["failed"])
    assert len(found["failed"]) >= 50
    assert len(found["prepared"]) >= 50
    for name, reason in found["failed"].items():
        assert reason, name
        assert "ended" not in reason, f"{name} crashed its decoder"
        assert str(tmp_path) not in reason
    for name, path in found["prepared"].items():
        header = read_header(Path(path))
        assert header is not None
        assert header["frames"] >= frames[name] or header["notes"], f"{name} lost frames without a note"
