"""Whether a new clip is like those that a run was trained on: what a person would see at a glance, in four numbers.

Brightness, the share of the picture that is lit, motion, and the likeness of the mean picture. A clip outside the range
of the training clips, widened by half of that range, is flagged: the model was never asked about such a clip before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.prepared import PreparedClips

NAME = "quality.json"
SIDE = 28
LIT = 8  # grey value above which a pixel is lit
MOST = 500  # training clips looked at
ENOUGH = 20  # fewer clips have no mean picture: it would show one of them
WIDER = 0.5
STILL = 0.5  # of the least motion of a training clip

Numbers = npt.NDArray[np.float64]
WORDS = {
    "brightness": ("darker than the training clips", "brighter than the training clips"),
    "lit": ("fills less of the picture than the training clips", "fills more of the picture than the training clips"),
    "motion": ("moves less than the training clips", "moves more than the training clips"),
}


@dataclass(frozen=True)
class Look:
    """What a clip looks like: numbers by name, and its (SIDE, SIDE) mean picture."""

    numbers: dict[str, float]
    picture: Numbers


@dataclass(frozen=True)
class Reference:
    """What the training clips look like.

    Attributes:
        clips: How many were looked at.
        ranges: Lowest and highest of each number.
        picture: (SIDE, SIDE) mean of their mean pictures, or None where they are few.
        likeness: Lowest correlation of a training clip with it, or None.
    """

    clips: int
    ranges: dict[str, tuple[float, float]]
    picture: Numbers | None
    likeness: float | None


def look_at(frames: npt.NDArray[np.uint8]) -> Look:
    """Look at a prepared clip of (T, H, W) uint8 frames."""
    import cv2

    whole = frames.astype(np.float32)
    mean = whole.mean(axis=0)
    lit = whole.max(axis=0) > LIT
    bright = float(mean[lit].mean()) if lit.any() else 0.0
    moved = float(np.abs(np.diff(whole, axis=0)).mean(axis=0)[lit].mean()) if len(frames) > 1 and lit.any() else 0.0
    numbers = {"brightness": bright, "lit": float(lit.mean()), "motion": moved / max(bright, 1.0)}
    picture = cv2.resize(mean, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return Look(numbers, np.asarray(picture, np.float64))


def reference_of(clips: PreparedClips) -> Reference:
    """Look at the training clips of a run, at most MOST of them, evenly spread."""
    rows = np.unique(np.linspace(0, len(clips) - 1, min(MOST, len(clips))).astype(int))
    looks = [look_at(_frames(clips, int(row))) for row in rows]
    ranges = {
        name: (min(look.numbers[name] for look in looks), max(look.numbers[name] for look in looks)) for name in WORDS
    }
    if len(looks) < ENOUGH:
        return Reference(len(looks), ranges, None, None)
    picture = np.mean([look.picture for look in looks], axis=0)
    return Reference(len(looks), ranges, picture, min(_alike(look.picture, picture) for look in looks))


def flags_of(frames: npt.NDArray[np.uint8], reference: Reference) -> tuple[str, ...]:
    """Say in words in what a prepared clip is unlike the training clips; empty where it is like them."""
    look = look_at(frames)
    flags = []
    low, _ = reference.ranges["motion"]
    if look.numbers["motion"] < STILL * low:
        flags.append("not beating: it hardly moves")
    for name, (less, more) in WORDS.items():
        low, high = reference.ranges[name]
        margin = WIDER * (high - low)
        if look.numbers[name] < low - margin and not (name == "motion" and flags):
            flags.append(less)
        elif look.numbers[name] > high + margin:
            flags.append(more)
    if reference.picture is not None and reference.likeness is not None:
        alike = _alike(look.picture, reference.picture)
        if alike < reference.likeness - WIDER * (1 - reference.likeness):
            flags.append("out of view: its picture is unlike that of the training clips")
    return tuple(flags)


def write_reference(reference: Reference, folder: Path) -> None:
    """Write ``quality.json`` into a run's directory."""
    picture = None if reference.picture is None else np.round(reference.picture, 2).tolist()
    content: dict[str, Any] = {
        "clips": reference.clips,
        "ranges": {name: list(ends) for name, ends in reference.ranges.items()},
        "picture": picture,
        "likeness": reference.likeness,
    }
    (folder / NAME).write_text(json.dumps(content) + "\n", encoding="utf-8")


def read_reference(folder: Path) -> Reference | None:
    """Read what `write_reference` wrote; None where it is not there or can not be read."""
    try:
        content = json.loads((folder / NAME).read_text(encoding="utf-8"))
        picture = content["picture"]
        return Reference(
            int(content["clips"]),
            {name: (float(content["ranges"][name][0]), float(content["ranges"][name][1])) for name in WORDS},
            None if picture is None else np.asarray(picture, np.float64).reshape(SIDE, SIDE),
            None if content["likeness"] is None else float(content["likeness"]),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def conformal_half_width(estimates: Iterable[float], truths: Iterable[float], level: float) -> float | None:
    """Half width of a split-conformal interval (Lei et al., JASA 2018): a quantile of the absolute errors.

    Args:
        estimates, truths: Of patients that the model was not trained on, one number a patient.
        level: Share of new patients, exchangeable with these, that the interval is to hold.

    Returns:
        None where there are too few patients for the level.
    """
    errors = np.sort(np.abs(np.asarray(list(estimates), np.float64) - np.asarray(list(truths), np.float64)))
    place = int(np.ceil((len(errors) + 1) * level))
    return float(errors[place - 1]) if 0 < place <= len(errors) else None


def _frames(clips: PreparedClips, row: int) -> npt.NDArray[np.uint8]:
    frames = np.arange(int(clips.lengths[row]), dtype=np.int64)
    video, _ = clips.read(row, frames)["video"]
    return np.asarray(video[0], np.uint8)


def _alike(first: Numbers, second: Numbers) -> float:
    """Correlation of two pictures; 0 where one is uniform."""
    a, b = first - first.mean(), second - second.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0 else 0.0
