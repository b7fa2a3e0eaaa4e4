"""Checks of a sampler: (lengths or clips, split, epoch, seed) -> Windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from echokit.data.cohort.cohort import SPLITS
from echokit.data.cohort.targets import Targets
from echokit.data.sampling.clip_table import clip_table, sample_windows, takes_clips
from echokit.data.sampling.windows import PADDING, Windows
from echokit.testing.case import Subject, require

LENGTHS = np.array([1, 2, 37, 38, 200], np.int64)


def _sample(subject: Subject, lengths: np.ndarray, split: str, epoch: int = 3) -> Windows:
    """Call the sampler.

    Its table has rates, ED and ES of some clips, and labels in training.
    """
    n = len(lengths)
    table = replace(
        clip_table(lengths, np.where(np.arange(n) % 2, 50.0, np.nan)),
        end_diastole=np.where(np.arange(n) % 2, 0, -1),
        end_systole=np.where(np.arange(n) % 2, lengths - 1, -1),
    )
    if split == "train":
        table = table.labelled(Targets(np.arange(n) % 2, np.linspace(20.0, 70.0, n)), np.arange(n))
    return sample_windows(subject.make(), table, split, epoch, 7)


def _windows(subject: Subject) -> Iterator[tuple[str, Windows]]:
    for split in SPLITS:
        yield split, _sample(subject, LENGTHS.copy(), split)


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
        first = _sample(subject, lengths, split)
        np.random.default_rng()  # global state must not matter
        second = _sample(subject, lengths, split)
        require(np.array_equal(first.frames, second.frames), f"{split}: the frames differ")
        require(np.array_equal(first.case, second.case), f"{split}: the cases differ")
        require(np.array_equal(lengths, LENGTHS), f"{split}: lengths were modified")


def check_draws_each_case_by_itself(subject: Subject) -> None:
    """The windows of a case do not depend on how many cases follow it.

    A sampler that sees labels may balance the classes in training, so only its other splits are checked.
    """
    few, many = LENGTHS, np.append(LENGTHS, 200)
    for split in SPLITS if not takes_clips(subject.make()) else SPLITS[1:]:
        first, second = _sample(subject, few, split), _sample(subject, many, split)
        shared = second.frames[second.case < len(few)]
        require(np.array_equal(first.frames, shared), f"{split}: windows depend on the other cases")


def check_validates_without_chance(subject: Subject) -> None:
    """Validation and test windows are the same in every epoch."""
    for split in ("val", "test"):
        first, second = _sample(subject, LENGTHS, split, 1), _sample(subject, LENGTHS, split, 2)
        require(np.array_equal(first.frames, second.frames), f"{split}: windows change with the epoch")
