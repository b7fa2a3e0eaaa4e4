"""Decoding EchoNet-like AVI files, beside the ways in which other loaders read them, by the seconds of all cores."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import interleaved, ratio
from echokit.data.video.read import read_video
from echokit.phantom.write_echonet_dynamic import write_phantom
from echokit.system.phantom_mark import STAMP

GREY, COLOUR = "OpenCV to grey", "OpenCV to RGB float32"


def measure(*, seed: int, videos: int = 6, frames: int = 171, repetitions: int = 5) -> dict[str, Any]:
    """The measure ``decoding``: MJPEG AVI of 112 x 112 pixels and as many frames as EchoNet-Dynamic's median."""
    with tempfile.TemporaryDirectory(prefix="echokit-bench-") as name:
        write_phantom(Path(name) / "cases", cases=videos, seed=seed, frames=(frames, frames))
        paths = sorted((Path(name) / "cases" / "Videos").glob("*.avi"))
        whole = {way: _all(read, paths) for way, read in WAYS.items()}
        found = interleaved(whole, repetitions, clock=time.process_time)
        apart = int(np.abs(np.subtract(read_video(paths[0]).frames, _grey(paths[0]), dtype=np.int16)).max())
    total = videos * frames
    return {
        "title": "Decoding",
        "stamp": STAMP,
        "about": (
            f"{videos} MJPEG AVI files of 112 x 112 pixels and {frames} frames, all of each. Seconds are "
            "those of all threads together, so that a second is one of one core. echokit also counts the frames, looks "
            "for damaged ones and reads the frame times. libav alone is its decoder without anything around it."
        ),
        "tables": [
            {
                "head": ["way", "frames a second of a core", "of echokit's"],
                "rows": [
                    [way, f"{total / seconds:,.0f}", f"{found['echokit'] / seconds:.2f}"]
                    for way, seconds in found.items()
                ],
            }
        ],
        "numbers": {f"frames a second: {way}": total / seconds for way, seconds in found.items()},
        "notes": [f"Largest difference between echokit's grey and OpenCV's: {apart} of 255 grey levels."],
        "ratios": [
            ratio(
                "decoding a video",
                "OpenCV to RGB float32, as the loader of echonet/dynamic",
                ours=found["echokit"] / videos,
                usual=found[COLOUR] / videos,
                asked=2.5,
            ),
            ratio("decoding a video", GREY, ours=found["echokit"] / videos, usual=found[GREY] / videos),
        ],
    }


def _all(read: Callable[[Path], Any], paths: list[Path]) -> Callable[[], object]:
    def work() -> None:
        for path in paths:
            read(path)

    return work


def _grey(path: Path) -> np.ndarray:
    import cv2

    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = capture.read()
        if not there:
            return np.stack(frames)
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))


def _colour(path: Path) -> np.ndarray:
    """An array of the size that the header declares, filled frame by frame, then float32 with the channels first."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    count, width, height = (
        int(capture.get(what))
        for what in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    video = np.zeros((count, height, width, 3), np.uint8)
    for number in range(count):
        _, frame = capture.read()
        video[number] = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    return video.transpose((3, 0, 1, 2)).astype(np.float32)


def _libav(path: Path) -> None:
    import av

    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        context.thread_count = 1
        for packet in container.demux(video=0):
            context.decode(packet if packet.size else None)


WAYS: dict[str, Callable[[Path], Any]] = {
    "echokit": read_video,
    GREY: _grey,
    COLOUR: _colour,
    "libav alone, nothing kept": _libav,
}
