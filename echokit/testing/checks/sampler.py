"""Checks of a sampler: (lengths, split, epoch, seed) -> Windows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from echokit.data.cohort.cohort import SPLITS
from echokit.data.sampling.windows import PADDING, Windows
from echokit.testing.case import Subject, require

LENGTHS = np.array([1, 2, 37, 38, 200], np.int64)


def _windows(subject: Subject) -> Iterator[tuple[str, Windows]]:
    for split in SPLITS:
        yield split, subject.make()(LENGTHS.copy(), split, 3, 7)


def check_gives_windows_of_every_case(subject: Subject) -> None:
    """Every case has a window in every split; both arrays are int64."""
    for split, windows in _windows(subject):
        require(isinstance(windows, Windows), f"{split}: it gives {type(windows).__name__}, not Windows")
        require(windows.case.dtype == np.int64 and windows.frames.dtype == np.int64, f"{split}: not int64")
        require(
            windows.frames.ndim == 2 and len(windows.case) == len(windows.frames), f"{split}: the shapes do not match"
        )
        require(set(windows.case) == set(range(len(LENGTHS))), f"{split}: cases without a window")


def check_stays_inside_the_clips(subject: Subject) -> None:
    """Frame numbers increase inside the clip; padding is at the end."""
    for split, windows in _windows(subject):
        for case, frames in zip(windows.case, windows.frames, strict=True):
            real = frames[frames != PADDING]
            require(len(real), f"{split}: a window is all padding")
            require((frames[: len(real)] == real).all(), f"{split}: padding is not at the end")
            require((np.diff(real) > 0).all(), f"{split}: frame numbers do not increase")
            require(real[0] >= 0 and real[-1] < LENGTHS[case], f"{split}: frames outside the clip")


def check_gives_the_same_for_the_same_seed(subject: Subject) -> None:
    """The windows depend on (lengths, split, epoch, seed) only."""
    for split in SPLITS:
        lengths = LENGTHS.copy()
        first = subject.make()(lengths, split, 3, 7)
        np.random.default_rng()  # global state must not matter
        second = subject.make()(lengths, split, 3, 7)
        require(np.array_equal(first.frames, second.frames), f"{split}: the frames differ")
        require(np.array_equal(first.case, second.case), f"{split}: the cases differ")
        require(np.array_equal(lengths, LENGTHS), f"{split}: lengths were modified")


def check_draws_each_case_by_itself(subject: Subject) -> None:
    """The windows of a case do not depend on how many cases follow it."""
    few, many = LENGTHS, np.append(LENGTHS, 200)
    for split in SPLITS:
        first, second = subject.make()(few, split, 3, 7), subject.make()(many, split, 3, 7)
        shared = second.frames[second.case < len(few)]
        require(np.array_equal(first.frames, shared), f"{split}: windows depend on the other cases")


def check_validates_without_chance(subject: Subject) -> None:
    """Validation and test windows are the same in every epoch."""
    for split in ("val", "test"):
        first, second = subject.make()(LENGTHS, split, 1, 7), subject.make()(LENGTHS, split, 2, 7)
        require(np.array_equal(first.frames, second.frames), f"{split}: windows change with the epoch")
