"""Check whether a new clip looks like the training clips, by four numbers.

Brightness, the share of lit pixels, motion, and the similarity of the mean frame. A clip outside the range of the
training clips, widened by half of that range, is flagged: the model has never seen such a clip.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from echokit.data.clips.prepared_clips import PreparedClips
from echokit.results.run import Run
from echokit.system.files import write_text

if TYPE_CHECKING:
    from echokit.pipeline.fold_plan import FoldPlan

REFERENCE = "quality.json"
SIDE = 28  # pixels of the mean frame
LIT = 8  # grey value above which a pixel is lit
MOST_CLIPS = 500
FEWEST_CLIPS = 20  # fewer clips give no mean frame: it would show one of them
MARGIN = 0.5
STILL = 0.5  # of the least motion of a training clip

Numbers = npt.NDArray[np.float64]
FLAGS = {
    "brightness": ("darker than the training clips", "brighter than the training clips"),
    "lit": ("fills less of the picture than the training clips", "fills more of the picture than the training clips"),
    "motion": ("moves less than the training clips", "moves more than the training clips"),
}


@dataclass(frozen=True)
class FrameStatistics:
    """Statistics of one clip: numbers by name, and its (SIDE, SIDE) mean frame."""

    numbers: dict[str, float]
    mean_frame: Numbers


@dataclass(frozen=True)
class TrainingReference:
    """Statistics of the training clips.

    Attributes:
        clips: Number of clips measured.
        ranges: Lowest and highest value of each number.
        mean_frame: (SIDE, SIDE) mean of their mean frames; None if there are few.
        correlation: Lowest correlation of a training clip with it; None if there are few.
    """

    clips: int
    ranges: dict[str, tuple[float, float]]
    mean_frame: Numbers | None
    correlation: float | None


def frame_statistics(frames: npt.NDArray[np.uint8]) -> FrameStatistics:
    """Measure a prepared clip of (T, H, W) uint8 frames."""
    import cv2

    clip = frames.astype(np.float32)
    mean = clip.mean(axis=0)
    lit = clip.max(axis=0) > LIT
    brightness = float(mean[lit].mean()) if lit.any() else 0.0
    change = float(np.abs(np.diff(clip, axis=0)).mean(axis=0)[lit].mean()) if len(frames) > 1 and lit.any() else 0.0
    numbers = {"brightness": brightness, "lit": float(lit.mean()), "motion": change / max(brightness, 1.0)}
    small = cv2.resize(mean, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return FrameStatistics(numbers, np.asarray(small, np.float64))


def training_reference(clips: PreparedClips) -> TrainingReference:
    """Measure training clips, at most MOST_CLIPS of them, evenly spaced."""
    rows = np.unique(np.linspace(0, len(clips) - 1, min(MOST_CLIPS, len(clips))).astype(int))
    measured = [frame_statistics(_frames(clips, int(row))) for row in rows]
    ranges = {
        name: (min(one.numbers[name] for one in measured), max(one.numbers[name] for one in measured)) for name in FLAGS
    }
    if len(measured) < FEWEST_CLIPS:
        return TrainingReference(len(measured), ranges, None, None)
    mean = np.mean([one.mean_frame for one in measured], axis=0)
    return TrainingReference(len(measured), ranges, mean, min(_correlation(one.mean_frame, mean) for one in measured))


def out_of_range_flags(frames: npt.NDArray[np.uint8], reference: TrainingReference) -> tuple[str, ...]:
    """Describe how a clip differs from the training clips; empty if not."""
    measured = frame_statistics(frames)
    flags = []
    low, _ = reference.ranges["motion"]
    if measured.numbers["motion"] < STILL * low:
        flags.append("not beating: it hardly moves")
    for name, (below, above) in FLAGS.items():
        low, high = reference.ranges[name]
        margin = MARGIN * (high - low)
        if measured.numbers[name] < low - margin and not (name == "motion" and flags):
            flags.append(below)
        elif measured.numbers[name] > high + margin:
            flags.append(above)
    if reference.mean_frame is not None and reference.correlation is not None:
        correlation = _correlation(measured.mean_frame, reference.mean_frame)
        if correlation < reference.correlation - MARGIN * (1 - reference.correlation):
            flags.append("out of view: its picture is unlike that of the training clips")
    return tuple(flags)


def write_input_reference(plan: FoldPlan, run: Run) -> None:
    """Measure the training clips of a run and write ``quality.json``."""
    training = np.unique(np.concatenate([fold.train for fold in plan.folds]))
    write_reference(training_reference(plan.dataset.clips.select(training)), run.path)


def write_reference(reference: TrainingReference, folder: Path) -> None:
    """Write ``quality.json`` into a run directory."""
    content: dict[str, Any] = {
        "clips": reference.clips,
        "ranges": {name: list(ends) for name, ends in reference.ranges.items()},
        "picture": None if reference.mean_frame is None else np.round(reference.mean_frame, 2).tolist(),
        "likeness": reference.correlation,
    }
    write_text(folder / REFERENCE, json.dumps(content) + "\n")


def read_reference(folder: Path) -> TrainingReference | None:
    """Read ``quality.json``; None if it is missing or cannot be read."""
    try:
        content = json.loads((folder / REFERENCE).read_text(encoding="utf-8"))
        picture = content["picture"]
        return TrainingReference(
            int(content["clips"]),
            {name: (float(content["ranges"][name][0]), float(content["ranges"][name][1])) for name in FLAGS},
            None if picture is None else np.asarray(picture, np.float64).reshape(SIDE, SIDE),
            None if content["likeness"] is None else float(content["likeness"]),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _frames(clips: PreparedClips, row: int) -> npt.NDArray[np.uint8]:
    frames = np.arange(int(clips.lengths[row]), dtype=np.int64)
    video, _ = clips.read(row, frames)["video"]
    return np.asarray(video[0], np.uint8)


def _correlation(first: Numbers, second: Numbers) -> float:
    """Correlate two pictures; 0 if one is uniform."""
    a, b = first - first.mean(), second - second.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0 else 0.0
