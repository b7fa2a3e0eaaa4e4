"""The built-in sampler: windows of a fixed number of frames."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from echokit.data.sampling.windows import PADDING, Windows
from echokit.errors import EchokitError

Integers = npt.NDArray[np.int64]


class Window:
    """Cut windows of (every ``period``-th) frames from each prepared clip.

    A clip shorter than its window is padded at the end. When a case has several windows, the caller averages
    their scores.

    Args:
        frames: Frames of a window; null takes every frame of every clip, padded to the longest clip.
        seconds: Length of a window instead of ``frames``; needs ``fps``.
        fps: Frames per second of the prepared clips, which a ``resample`` step has made the same for all.
        start: Where a window begins. ``first``: at the first frame. ``random``: anywhere in training, as
            ``even`` in validation and test. ``even``: ``clips`` windows spread evenly from the first to the
            last possible start; one window lies in the centre. ``all``: as ``random`` in training, the centre
            window in validation, and in test every window that follows on from the one before (a rest shorter
            than a window is left out).
        period: Take every ``period``-th frame; a window then spans ``(frames - 1) * period + 1`` frames.
        clips: Windows of each case, for ``random`` and ``even``.
        test_clips: Windows of each validation and test case when it is scored, spread evenly from the first to the
            last possible start, whatever ``start`` is in training; fewer if a clip has fewer starts. A training
            case is scored with the middle one. null: by ``start`` and ``clips``.

    Raises:
        EchokitError: Parameters that contradict one another.
    """

    def __init__(
        self,
        *,
        frames: Annotated[int, Field(ge=1, le=100_000)] | None = None,
        seconds: Annotated[float, Field(gt=0, le=10_000)] | None = None,
        fps: Annotated[float, Field(gt=0, le=1000)] | None = None,
        start: Literal["first", "random", "even", "all"] = "first",
        period: Annotated[int, Field(ge=1, le=100_000)] = 1,
        clips: Annotated[int, Field(ge=1, le=10_000)] = 1,
        test_clips: Annotated[int, Field(ge=1, le=10_000)] | None = None,
    ) -> None:
        if seconds is not None:
            frames = _frames_of(seconds, fps, period, frames)
        elif fps is not None:
            raise EchokitError(
                f"fps: {fps:g} has no meaning without seconds",
                hint="give seconds, or remove fps",
                code="window.fps_without_seconds",
            )
        if frames is None and start != "first":
            raise EchokitError(
                f"start: {start} has no meaning where frames is null, as each window is then the whole clip",
                hint="give a number of frames, or remove start",
                code="window.start_without_frames",
            )
        if clips > 1 and start not in ("random", "even"):
            raise EchokitError(
                f"clips: {clips} has no meaning with start: {start}",
                hint="use start: even or start: random",
                code="window.clips_without_start",
            )
        if test_clips is not None and (frames is None or start == "all"):
            raise EchokitError(
                f"test_clips: {test_clips} has no meaning where "
                + ("frames is null" if frames is None else "start: all takes every window"),
                hint="remove test_clips, or give frames and another start",
                code="window.test_clips_unused",
            )
        self.frames = frames
        self.start = start
        self.period = period
        self.clips = clips
        self.test_clips = test_clips

    def __call__(self, lengths: Integers, split: str, epoch: int, seed: int) -> Windows:
        """Choose the windows of one epoch of one split.

        Random starts depend on (seed, epoch, position of the case) alone, so neither the number of cases nor
        the number of workers changes them.

        Args:
            lengths: (n,) int64 frames of each prepared clip.
            split: ``train``, ``val`` or ``test``.
            epoch: Number of the epoch; only random starts depend on it.
            seed: Seed of the run.

        Returns:
            Windows in the order of the cases.
        """
        longest = int(lengths.max(initial=1))
        frames = self.frames if self.frames is not None else -(-longest // self.period)
        span = (frames - 1) * self.period + 1
        latest = np.maximum(lengths - span, 0)
        case, first = self._starts(latest, frames * self.period, split, epoch, seed)
        index = first[:, None] + np.arange(frames, dtype=np.int64) * self.period
        return Windows(case, np.where(index < lengths[case][:, None], index, PADDING))

    def _starts(self, latest: Integers, stride: int, split: str, epoch: int, seed: int) -> tuple[Integers, Integers]:
        """Return case and first frame of each window, none after ``latest``."""
        cases = np.arange(len(latest), dtype=np.int64)
        if self.test_clips is not None and split == "test":
            starts = _spread(latest, self.test_clips)
            distinct = np.diff(starts, axis=1, prepend=-1) > 0
            return np.repeat(cases, distinct.sum(1)), starts[distinct]
        if self.start == "first":
            return cases, np.zeros_like(latest)
        if self.start == "all" and split == "test":
            count = latest // stride + 1
            case = np.repeat(cases, count)
            return case, (np.arange(len(case)) - np.repeat(np.cumsum(count) - count, count)) * stride
        if self.start != "even" and split == "train":
            drawn = [_draw(int(last), self.clips, (seed, epoch, row)) for row, last in enumerate(latest)]
            return np.repeat(cases, self.clips), np.array(drawn, np.int64).reshape(-1)
        return np.repeat(cases, self.clips), _spread(latest, self.clips).reshape(-1)


def _spread(latest: Integers, count: int) -> Integers:
    """Spread (n, count) int64 starts evenly from 0 to ``latest``.

    A single one is at the centre.
    """
    at = np.linspace(0, 1, count) if count > 1 else np.array([0.5])
    return (latest[:, None] * at).astype(np.int64)


def _frames_of(seconds: float, fps: float | None, period: int, frames: int | None) -> int:
    if frames is not None:
        raise EchokitError(
            f"frames: {frames} and seconds: {seconds:g} both give the length of a window",
            hint="remove one",
            code="window.two_lengths",
        )
    if fps is None:
        raise EchokitError(
            f"seconds: {seconds:g} needs fps, the frame rate that all prepared clips have",
            hint="put {use: resample, fps: 30} into preprocess, and fps: 30 here",
            code="window.seconds_without_fps",
        )
    return max(1, round(seconds * fps / period))


def _draw(latest: int, count: int, key: tuple[int, int, int]) -> Integers:
    """``count`` starts from 0 to ``latest``, a pure function of the key."""
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
    return generator.integers(0, latest + 1, count, dtype=np.int64)
