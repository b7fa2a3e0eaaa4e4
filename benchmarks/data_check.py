"""Is a dataset examined at the speed of decoding, and which near-duplicates are found?

Plain decoding, the description of every video and the whole of ``echokit data check`` run over the same phantom
videos, in turns. Then copies of some videos, changed in known ways, are looked for among all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.timing import interleaved, ratio
from echokit import Clip, read_video
from echokit.data.clips.appearance import describe
from echokit.data.clips.near_duplicates import near_duplicates
from echokit.phantom.write_echonet_dynamic import write_phantom
from echokit.system.phantom_mark import STAMP
from echokit.system.worker_pool import map_ordered
from echokit.tools.dataset_check.check_dataset import check_dataset
from echokit.tools.dataset_check.videos import describe_videos

Change = Callable[[Clip], np.ndarray]

CHANGES: dict[str, Change] = {
    "compressed again (JPEG 40)": lambda c: np.stack([_jpeg(frame, 40) for frame in c.frames]),
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
    "upside down": lambda c: c.frames[:, ::-1],
}


def _jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0))


def decode(path: Path) -> int:
    """Decode one video and count its frames."""
    cv2.setNumThreads(1)
    return len(read_video(path))


PLAIN, DESCRIBED, WHOLE = "plain decoding", "decoding and describing", "the whole check"


def found_copies(root: Path, changed: int) -> tuple[list[tuple[str, float]], int, int]:
    """Share of changed copies that is found, by kind of change; false pairs; and all pairs."""
    paths = sorted((root / "Videos").glob("*.avi"))
    looks = {index: seen.look for index, seen in enumerate(describe_videos(paths)) if seen.look is not None}
    rows = []
    for name, change in CHANGES.items():
        found = 0
        for index in range(changed):
            clip = read_video(paths[index])
            copy = replace(clip, frames=np.ascontiguousarray(change(clip)), times=None)
            look = describe(copy).look
            assert look is not None
            found += any(other == len(paths) for _, other, _ in near_duplicates({**looks, len(paths): look}))
        rows.append((name, found / changed))
    return rows, len(near_duplicates(looks)), len(paths) * (len(paths) - 1) // 2


def measure(
    *, seed: int, repetitions: int = 5, videos: int = 200, frames: int = 170, changed: int = 20, workers: int = 2
) -> dict[str, Any]:
    """The measure ``data_check``.

    Args:
        seed: Of the hearts.
        repetitions: Of each way, in turns.
        videos: In the dataset.
        frames: Of each.
        changed: Copies of each kind of change that are looked for.
        workers: Processes.
    """
    with tempfile.TemporaryDirectory(prefix="echokit-bench-") as folder:
        root = Path(folder) / "hearts"
        write_phantom(root, cases=videos, seed=seed, frames=(frames, frames))
        paths = sorted((root / "Videos").glob("*.avi"))
        ways: dict[str, Callable[[], object]] = {
            PLAIN: lambda: sum(map(int, map_ordered(decode, paths, workers=workers))),  # type: ignore[arg-type]
            DESCRIBED: lambda: list(describe_videos(paths, workers=workers)),
            WHOLE: lambda: check_dataset(root, workers=workers),
        }
        found = interleaved(ways, repetitions)
        rows, false, pairs = found_copies(root, changed)
    total = videos * frames
    return {
        "title": "Examining a dataset",
        "stamp": STAMP,
        "about": f"{videos} MJPEG AVI files of {frames} frames of 112 x 112, {workers} processes.",
        "tables": [
            {
                "head": ["way", "seconds", "frames a second", "time over plain decoding"],
                "rows": [
                    [way, f"{taken:.2f}", f"{total / taken:,.0f}", f"{taken / found[PLAIN]:.2f}"]
                    for way, taken in found.items()
                ],
            },
            {"head": ["the copy is", "found"], "rows": [[name, f"{share:.0%}"] for name, share in rows]},
        ],
        "numbers": {f"seconds: {way}": taken for way, taken in found.items()},
        "notes": [
            f"Near-duplicates by perceptual hash: {changed} copies of each kind, one at a time, among {videos} videos. "
            f"Of {pairs:,} pairs of different hearts {false} are called near-duplicates."
        ],
        "ratios": [
            ratio(
                "examining every video of a dataset",
                "decoding it and no more",
                ours=found[WHOLE],
                usual=found[PLAIN],
                note="the usual way finds nothing",
            )
        ],
    }
