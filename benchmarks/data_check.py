"""Is a dataset examined at the speed of decoding, and which near-duplicates are found?

Plain decoding, the description of every video and the whole of ``echokit data check`` run over the same phantom
videos, interleaved. Then copies of some videos, changed in known ways, are looked for among all.
Run from the repository: ``python -m benchmarks.data_check``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from echokit import Clip, read_video
from echokit.check.doctor import check_dataset
from echokit.check.likeness import near_pairs
from echokit.check.videos import describe, see_videos
from echokit.lock import environment
from echokit.phantom.layout import write_phantom
from echokit.stamp import STAMP

RESULTS = Path(__file__).parent / "results"
Change = Callable[[Clip], np.ndarray]

CHANGES: dict[str, Change] = {
    "compressed anew (JPEG 40)": lambda c: np.stack([_jpeg(frame, 40) for frame in c.frames]),
    "scaled to 96 pixels": lambda c: np.stack(
        [cv2.resize(f, (96, 96), interpolation=cv2.INTER_AREA) for f in c.frames]
    ),
    "scaled to 224 pixels": lambda c: np.stack([cv2.resize(f, (224, 224)) for f in c.frames]),
    "every second frame": lambda c: c.frames[::2],
    "gain 1.2": lambda c: np.clip(c.frames * 1.2, 0, 255).astype(np.uint8),
    "gamma 0.8": lambda c: (255 * (c.frames / 255) ** 0.8).astype(np.uint8),
    "2 pixels cropped all round": lambda c: c.frames[:, 2:-2, 2:-2],
    "moved by 2 pixels": lambda c: np.roll(c.frames, 2, axis=2),
    "first fifth cut off": lambda c: c.frames[len(c) // 5 :],
    "first half cut off": lambda c: c.frames[len(c) // 2 :],
    "mirrored": lambda c: c.frames[:, :, ::-1],
}


def _jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0))


def decode(path: Path) -> int:
    """Decode one video and count its frames."""
    cv2.setNumThreads(1)
    return len(read_video(path))


def decode_all(paths: list[Path], workers: int) -> int:
    """Decode in the same way in which the check does its work."""
    if workers == 1:
        return sum(map(decode, paths))
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        return sum(pool.map(decode, paths, chunksize=8))


def times(root: Path, workers: int, repetitions: int) -> Iterator[tuple[str, float, float]]:
    """Median seconds of each way, and frames/s."""
    paths = sorted((root / "Videos").glob("*.avi"))
    ways: dict[str, Callable[[], object]] = {
        "plain decoding": lambda: decode_all(paths, workers),
        "decoding and describing": lambda: list(see_videos(paths, workers=workers)),
        "the whole check": lambda: check_dataset(root, workers=workers),
    }
    frames = decode_all(paths, workers)  # and the files are in memory from here on
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - begin)
    for name, seconds in taken.items():
        middle = statistics.median(seconds)
        yield name, middle, frames / middle


def near_duplicates(root: Path, changed: int) -> tuple[list[tuple[str, float]], int, int]:
    """Share of changed copies that is found, by kind of change; false pairs; and all pairs."""
    paths = sorted((root / "Videos").glob("*.avi"))
    looks = {index: seen.look for index, seen in enumerate(see_videos(paths)) if seen.look is not None}
    rows = []
    for name, change in CHANGES.items():
        found = 0
        for index in range(changed):
            clip = read_video(paths[index])
            copy = replace(clip, frames=np.ascontiguousarray(change(clip)), times=None)
            look = describe(copy).look
            assert look is not None
            found += any(other == len(paths) for _, other, _ in near_pairs({**looks, len(paths): look}))
        rows.append((name, found / changed))
    return rows, len(near_pairs(looks)), len(paths) * (len(paths) - 1) // 2


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--frames", type=int, default=170)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--changed", type=int, default=40)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path, default=RESULTS / "data_check.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "hearts"
        write_phantom(root, cases=arguments.cases, seed=11, frames=(arguments.frames, arguments.frames))
        lines = [
            f"# {STAMP}: a dataset is examined at nearly the speed of decoding",
            "",
            f"{arguments.cases} phantom videos of {arguments.frames} frames of 112 x 112, Motion JPEG; median of",
            f"{arguments.repetitions} interleaved repetitions.",
            "",
            "| processes | way | seconds | frames/s | time over plain decoding |",
            "|---|---|---|---|---|",
        ]
        for workers in arguments.workers:
            measured = list(times(root, workers, arguments.repetitions))
            plain = measured[0][1]
            lines += [f"| {workers} | {n} | {s:.2f} | {rate:,.0f} | {s / plain:.2f} |" for n, s, rate in measured]
        rows, false, pairs = near_duplicates(root, arguments.changed)
        lines += [
            "",
            f"Near-duplicates by perceptual hash: {arguments.changed} copies of each kind, one at a time, among",
            f"{arguments.cases} videos. Of {pairs:,} pairs of different hearts {false} are called near-duplicates.",
            "",
            "| the copy is | found |",
            "|---|---|",
            *(f"| {name} | {share:.0%} |" for name, share in rows),
        ]
    here = environment()
    made = f"Made by `python -m benchmarks.data_check` on {here['processor']}, {here['cores']} cores,"
    text = "\n".join([*lines, "", made, f"Python {here['python']}.", ""])
    arguments.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
