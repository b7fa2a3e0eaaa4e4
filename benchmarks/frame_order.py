"""Preprocessors that take from a video what only its order of frames, or only its frames, can tell."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np

from echokit import Clip


class Shuffle:
    """Put the frames in a random order, which follows from the video alone."""

    def __call__(self, clip: Clip) -> Clip:
        seed = zlib.crc32(clip.frames[0].tobytes())
        return replace(clip, frames=np.random.default_rng(seed).permutation(clip.frames), times=None)


class MeanFrame:
    """Show the mean of all frames throughout."""

    def __call__(self, clip: Clip) -> Clip:
        mean = np.rint(clip.frames.mean(0)).astype(np.uint8)
        return replace(clip, frames=np.repeat(mean[None], len(clip), axis=0))


class SingleFrame:
    """Show the first frame throughout."""

    def __call__(self, clip: Clip) -> Clip:
        return replace(clip, frames=np.repeat(clip.frames[:1], len(clip), axis=0))
