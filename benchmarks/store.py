"""The store: memory while it is built, opening it, and reading windows from it beside other ways to have them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import interleaved, ratio
from echokit.data.clips.clip_file import write_clip
from echokit.data.clips.prepared_clips import PreparedClips
from echokit.data.preprocess.flow_estimation import flow_fields
from echokit.data.preprocess.optical_flow import OpticalFlow
from echokit.data.video.clip import Clip
from echokit.data.video.read import read_video
from echokit.phantom.write_echonet_dynamic import write_phantom
from echokit.system.phantom_mark import STAMP

WINDOW = 38

# In a process of its own, whose peak and whose workers' are looked up while it builds: a peak never falls again.
BUILD = """
import json, os, sys, threading, time
from pathlib import Path
from echokit.data.preprocess.resize import Resize
from echokit.data.clips.clip_store import ClipStore, Step

peaks = {}

def look():
    while True:
        for process in Path("/proc").iterdir():
            try:
                facts = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
                if process.name.isdecimal() and os.getpgid(int(process.name)) == os.getpgid(0):
                    peaks[int(process.name)] = int(facts["VmHWM"].split()[0]) / 1024
            except (OSError, KeyError, ValueError):
                pass
        time.sleep(0.1)

if __name__ == "__main__":
    threading.Thread(target=look, daemon=True).start()
    sources = [(path.stem, path) for path in sorted(Path(sys.argv[1]).glob("*.avi"))]
    steps = (Step("resize", Resize(size=56), False, "56"),)
    seconds = []
    for expected in (len(sources), 0):
        started = time.perf_counter()
        made = ClipStore(Path(sys.argv[2])).prepare(sources, steps, workers=2).made
        seconds.append(time.perf_counter() - started)
        assert made == expected, made
    time.sleep(0.2)
    print(json.dumps([peaks.pop(os.getpid()), max(peaks.values()), *seconds]))
"""


def measure(
    *, seed: int, videos: Sequence[int] = (20, 100), clips: int = 500, windows: int = 100, repetitions: int = 5
) -> dict[str, Any]:
    """The measure ``store``.

    Args:
        seed: Of the phantom.
        videos: How many are prepared, for the memory that it takes.
        clips: How many prepared clips are opened.
        windows: How many windows are read for each time.
        repetitions: Of each time.
    """
    with tempfile.TemporaryDirectory(prefix="echokit-bench-") as name:
        folder = Path(name)
        write_phantom(folder / "cases", cases=12, seed=seed, frames=(171, 171))
        sources = sorted((folder / "cases" / "Videos").glob("*.avi"))
        peaks = {count: _peak(folder / f"build-{count}", sources, count) for count in videos}
        opened = _opening(folder / "open", clips)
        read, sizes = _reading(folder / "read", sources[:8], windows, seed)
        found = interleaved({**opened, **read}, repetitions)
        errors = [_error(path) for path in sources[:4]]
    reading = {way: found[way] / windows for way in read}
    return {
        "title": "The store",
        "stamp": STAMP,
        "about": (
            f"Videos of 171 frames of 112 x 112. A window is {WINDOW} frames of video and flow at a random place. "
            "Building decodes, resizes to 56 and writes with two processes; their peaks are given one by one."
        ),
        "tables": [
            {
                "head": [
                    "videos prepared",
                    "peak of the parent, MB",
                    "peak of the largest worker, MB",
                    "seconds to build",
                    "seconds when all is there",
                ],
                "rows": [
                    [f"{count}", f"{both[0]:.0f}", f"{both[1]:.0f}", f"{both[2]:.1f}", f"{both[3]:.2f}"]
                    for count, both in peaks.items()
                ],
            },
            {
                "head": ["way to have a window", "windows a second", "bytes a clip on disk"],
                "rows": [[way, f"{1 / seconds:,.0f}", f"{sizes[way]:,}"] for way, seconds in reading.items()],
            },
            {
                "head": ["opening", "seconds"],
                "rows": [[way, f"{found[way]:.3f}"] for way in opened],
            },
        ],
        "numbers": {
            **{f"peak of the parent at {count} videos, MB": both[0] for count, both in peaks.items()},
            **{f"peak of a worker at {count} videos, MB": both[1] for count, both in peaks.items()},
            "error of flow as int8, largest of a step's half": max(share for share, _ in errors),
            "error of flow as int8, root mean square in pixels": max(pixels for _, pixels in errors),
        },
        "notes": [
            f"Flow as int8 is off by {max(share for share, _ in errors):.3f} of half a step at most (1 is the bound), "
            f"by {max(pixels for _, pixels in errors):.4f} pixels a frame in the root mean square."
        ],
        "ratios": [
            ratio(f"a window of {WINDOW} frames with its flow", way, ours=reading["echokit"], usual=seconds)
            for way, seconds in reading.items()
            if way != "echokit"
        ],
    }


def _peak(folder: Path, sources: Sequence[Path], count: int) -> list[float]:
    """Peak MB of the parent and of its largest worker while ``count`` videos are prepared; seconds then and again."""
    folder.mkdir()
    for number in range(count):
        # The same pictures over and over, and yet other content: what follows the end of an AVI is not read.
        data = sources[number % len(sources)].read_bytes()
        (folder / f"{number:05d}.avi").write_bytes(data + number.to_bytes(4, "little"))
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder), str(folder / "store")],
        env={**os.environ, "ECHOKIT_CACHE": str(folder / "cache")},
        check=True, capture_output=True, text=True, start_new_session=True,
    )  # fmt: skip
    found: list[float] = json.loads(done.stdout)
    return found


def _opening(folder: Path, count: int) -> dict[str, Callable[[], object]]:
    clip = OpticalFlow(method="dis")(Clip(np.zeros((WINDOW, 28, 28), np.uint8), fps=50.0))
    paths = [folder / f"{number % 256:02x}" / f"{number}.safetensors" for number in range(count)]
    for path in paths:
        write_clip(path, clip, None)
    return {f"{count} prepared clips": lambda: PreparedClips(paths)}


def _reading(
    folder: Path, sources: Sequence[Path], windows: int, seed: int
) -> tuple[dict[str, Callable[[], object]], dict[str, int]]:
    """Ways to read windows, and the bytes that each has on disk for a clip."""
    from safetensors import safe_open

    folder.mkdir()
    prepared, arrays = [], []
    for number, source in enumerate(sources):
        clip = OpticalFlow(method="dis")(read_video(source))
        flow = clip.streams["flow"]
        prepared.append(folder / f"{number}.safetensors")
        write_clip(prepared[-1], clip, None)
        arrays.append(folder / f"{number}.npz")
        real = flow.data.astype(np.float32) * np.float32(flow.scale)
        np.savez(arrays[-1], video=clip.frames[None].astype(np.float32), flow=real)
    clips = PreparedClips(prepared)
    rng = np.random.default_rng(seed)
    chosen = [
        (case, int(rng.integers(0, clips.lengths[case] - WINDOW + 1))) for case in rng.integers(0, len(clips), windows)
    ]

    def ours(case: int, start: int) -> object:
        return clips.read(case, np.arange(start, start + WINDOW))

    def unchecked(case: int, start: int) -> object:
        with safe_open(prepared[case], framework="numpy") as file:
            return (
                file.get_slice("video")[:, start : start + WINDOW],
                file.get_slice("flow")[:, start : start + WINDOW - 1],
            )

    def whole(case: int, start: int) -> object:
        with np.load(arrays[case]) as file:
            return file["video"][:, start : start + WINDOW], file["flow"][:, start : start + WINDOW - 1]

    def again(case: int, start: int) -> object:
        clip = read_video(sources[case], frames=start + WINDOW)
        frames = clip.frames[start:]
        return frames, np.stack(list(flow_fields(frames, "dis")))

    ways = {
        "echokit": ours,
        "the same without checksums": unchecked,
        "float32 in an npz file, whole": whole,
        "decoding and computing the flow each time": again,
    }
    sizes = {
        "echokit": prepared[0].stat().st_size,
        "the same without checksums": prepared[0].stat().st_size,
        "float32 in an npz file, whole": arrays[0].stat().st_size,
        "decoding and computing the flow each time": sources[0].stat().st_size,
    }

    def all_of(way: Callable[[int, int], object]) -> Callable[[], object]:
        return lambda: [way(int(case), start) for case, start in chosen]

    return {name: all_of(way) for name, way in ways.items()}, sizes


def _error(path: Path) -> tuple[float, float]:
    """Error of flow as int8: the largest as a share of half a step, and the root mean square in pixels a frame."""
    clip = read_video(path, frames=WINDOW)
    exact = np.stack(list(flow_fields(clip.frames, "farneback"))).transpose(3, 0, 1, 2)
    kept = OpticalFlow()(clip).streams["flow"]
    off = kept.data.astype(np.float64) * kept.scale - exact
    return float(np.abs(off).max() / (kept.scale / 2)), float(np.sqrt(np.mean(off**2)))
