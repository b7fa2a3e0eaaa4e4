"""Scoring new videos: ``echokit predict`` beside the usual script around the same model, on the same files."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import interleaved, ratio
from echokit.phantom.write_echonet_dynamic import write_phantom


def measure(*, seed: int, videos: int = 8, repetitions: int = 3, width: int = 64, size: int = 56) -> dict[str, Any]:
    """The measure ``inference``: a two-stream ResNet18 that one step has trained."""
    import torch

    from echokit import run
    from echokit.pipeline.inference.predictor import Predictor

    with tempfile.TemporaryDirectory(prefix="echokit-bench-") as name:
        folder = Path(name)
        write_phantom(folder / "cases", cases=videos, seed=seed)
        sources = [(path.stem, path) for path in sorted((folder / "cases" / "Videos").glob("*.avi"))]
        trained = run(
            "ef_56",
            set={
                "data": {"use": "phantom", "cases": 24, "ef": "wide", "seed": seed},
                "preprocess": [{"use": "trim", "frames": 38}, {"use": "resize", "size": size}, "optical_flow"],
                "model.backbone.width": width,
                "train.epochs": 1,
                "train.batch_size": 8,
                "train.keep": "last",
            },
            out=folder / "runs",
        )
        predictor = Predictor(trained)
        model = predictor.members[0].model
        scores: dict[str, list[float]] = {}

        def ours() -> None:
            scores["ours"] = [float(found.score or 0.0) for found in predictor(sources)]

        def usual() -> None:
            scores["usual"] = [_usual(path, model, size, torch) for _, path in sources]

        found = interleaved({"ours": ours, "usual": usual}, repetitions)
        apart = float(np.abs(np.subtract(scores["ours"], scores["usual"])).max())
    return {
        "title": "Scoring new videos",
        "stamp": trained.lock.stamp,
        "about": (
            f"{videos} AVI files of 112 x 112 pixels, a two-stream ResNet18 (width {width}) at {size} x {size} and 38 "
            "frames: decoding, resizing, flow and the model, a video after the other. The usual script decodes with "
            "OpenCV to colour, keeps float32 flow and calls the model on contiguous tensors."
        ),
        "tables": [
            {
                "head": ["way", "videos a second"],
                "rows": [["echokit", f"{videos / found['ours']:.2f}"], ["script", f"{videos / found['usual']:.2f}"]],
            }
        ],
        "numbers": {"largest difference of a score": apart},
        "notes": [f"Largest difference of a score between the two ways: {apart:.4f}."],
        "ratios": [
            ratio(
                "scoring a new video",
                "OpenCV to colour, float32 flow, contiguous tensors",
                ours=found["ours"] / videos,
                usual=found["usual"] / videos,
            )
        ],
    }


def _usual(path: Path, model: Any, size: int, torch: Any) -> float:
    import cv2

    capture = cv2.VideoCapture(str(path))
    frames = []
    while len(frames) < 38:
        there, frame = capture.read()
        if not there:
            break
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        frames.append(cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA))
    capture.release()
    flows = [
        cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore[call-overload]
        for a, b in pairwise(frames)
    ]
    video = torch.from_numpy(np.stack(frames).astype(np.float32))[None, None]
    flow = torch.from_numpy(np.stack(flows).astype(np.float32)).permute(3, 0, 1, 2)[None].contiguous()
    with torch.no_grad():
        outputs = model(
            {"video": video, "flow": flow},
            {
                "video": torch.ones(1, video.shape[2], dtype=torch.bool),
                "flow": torch.ones(1, flow.shape[2], dtype=torch.bool),
            },
        )
    return float(outputs.float().softmax(1)[0, 1])
