"""What a sampler may know of the prepared clips beside their lengths."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.data.cohort.targets import Targets
from echokit.data.sampling.windows import Windows

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClipTable:
    """What a sampler sees whose call is ``(clips, split, epoch, seed) -> Windows``.

    Attributes:
        lengths: (n,) int64 frames of each prepared clip.
        fps: (n,) float64 frames per second of the prepared clip; NaN where unknown.
        end_diastole: (n,) int64 frame number inside the prepared clip; -1 where unknown.
        end_systole: (n,) int64, as ``end_diastole``.
        y_true: (n,) int64 of 0 and 1 for the training cases, -1 for all others. Only the split ``train`` has it.
        value: (n,) float64, the quantity behind the class; NaN for all others, as ``y_true``.
    """

    lengths: Integers
    fps: Floats
    end_diastole: Integers
    end_systole: Integers
    y_true: Integers
    value: Floats

    def __len__(self) -> int:
        return len(self.lengths)

    def labelled(self, targets: Targets, rows: Integers) -> ClipTable:
        """Return the table with the labels of some cases, those of a training set."""
        y_true, value = self.y_true.copy(), self.value.copy()
        y_true[rows], value[rows] = targets.y_true[rows], targets.value[rows]
        return replace(self, y_true=y_true, value=value)


def clip_table(lengths: Integers, fps: Floats | None = None) -> ClipTable:
    """Make the table of clips of which no more is known.

    Args:
        lengths: (n,) int64.
        fps: (n,) float64, or None.
    """
    n = len(lengths)
    unknown = np.full(n, -1, np.int64)
    nothing = np.full(n, np.nan)
    return ClipTable(lengths, nothing if fps is None else fps, unknown, unknown, unknown, nothing)


def moved_frames(frames: Floats, fps: Floats, clips: ClipTable) -> Integers:
    """Find frames of the videos in the prepared clips, which may have another rate.

    Args:
        frames: (n,) float64 frame numbers in the videos, from 0; NaN where unknown.
        fps: (n,) float64 rates of the videos; NaN where unknown.
        clips: Their prepared clips.

    Returns:
        (n,) int64; -1 where the frame is unknown, or not in the clip.
    """
    same = np.isnan(fps) | np.isnan(clips.fps) | (fps == clips.fps)
    moved = np.where(same, frames, np.round(frames * clips.fps / fps))
    inside = np.isfinite(moved) & (moved >= 0) & (moved < clips.lengths)
    return np.where(inside, moved, -1).astype(np.int64)


def takes_clips(sampler: Callable[..., Any]) -> bool:
    """Return whether a sampler is called with a `ClipTable`.

    Its first parameter is then named ``clips``.
    """
    return next(iter(inspect.signature(sampler).parameters), None) == "clips"


def sample_windows(sampler: Callable[..., Any], clips: ClipTable, split: str, epoch: int, seed: int) -> Windows:
    """Call a sampler, with the table or with the lengths alone."""
    windows: Windows = sampler(clips if takes_clips(sampler) else clips.lengths, split, epoch, seed)
    return windows
