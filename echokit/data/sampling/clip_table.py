"""What a sampler may know of the prepared clips beside their lengths."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.data.cohort.targets import Targets
from echokit.data.sampling.windows import PADDING, Windows
from echokit.errors import EchokitError
from echokit.plugins.discovery import installed

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
    """Call a sampler, with the table or with the lengths alone.

    Raises:
        EchokitError: It leaves a case out, or its windows do not fit the clips.
    """
    windows = sampler(clips if takes_clips(sampler) else clips.lengths, split, epoch, seed)
    if problem := windows_problem(windows, clips.lengths):
        raise EchokitError(
            f"the sampler {installed().registry.name_of_instance('sampler', sampler)!r} gave windows for the split "
            f"{split!r} that cannot be used: {problem}",
            hint="`echokit plugin check NAME` runs all checks of its plugin",
            where="clip",
            code="sampler.wrong_windows",
        )
    return windows  # type: ignore[no-any-return]


def windows_problem(windows: object, lengths: Integers) -> str | None:
    """Describe what is wrong with the windows of a sampler; None if nothing is.

    Args:
        windows: What it gave.
        lengths: (n,) int64 frames of the clips that it was given.
    """
    if not isinstance(windows, Windows):
        return f"it gave {type(windows).__name__}, not Windows"
    case, frames = np.asarray(windows.case), np.asarray(windows.frames)
    if case.dtype.kind not in "iu" or frames.dtype.kind not in "iu":
        return f"cases and frames are {case.dtype} and {frames.dtype}, not whole numbers"
    if case.ndim != 1 or frames.ndim != 2 or len(case) != len(frames) or not (frames.shape[1] or not len(case)):
        return f"cases and frames have the shapes {case.shape} and {frames.shape}, not (m,) and (m, F)"
    if len(case) and (case.min() < 0 or case.max() >= len(lengths)):
        return f"it names the cases {case.min()} to {case.max()} of {len(lengths)}"
    if without := len(lengths) - len(np.unique(case)):
        return f"{without} of {len(lengths)} cases have no window"
    padded = frames == PADDING
    if (padded[:, :-1] & ~padded[:, 1:]).any() or padded[:, 0].any():
        return "padding is not at the end of a window, or is all of it"
    if (~padded & ((frames < 0) | (frames >= lengths[case][:, None]))).any():
        return "it names frames outside a clip"
    if ((frames[:, 1:] <= frames[:, :-1]) & ~padded[:, 1:]).any():
        return "the frames of a window do not increase"
    return None
