"""Clips that lie in the memory of the GPU as bytes: a batch is then gathered there, and nothing is read or sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from echokit.sampling.windows import Windows
from echokit.training.data import Batch, Integers, PreparedClips, send, valid_steps

_SHARE = 0.9  # of the free memory: batches differ a little in what they need


@dataclass(frozen=True)
class ResidentClips:
    """All frames of some clips, on a device.

    Attributes:
        frames: For each stream (n + 1, C, H, W) bytes, clip after clip; the last one is zero, for padding.
        first: (cases,) int64 by stream: where a case begins; -1 for one that is not here.
        scale: (cases,) float32 by stream, on the device: real values are bytes times this.
    """

    frames: Mapping[str, Tensor]
    first: Mapping[str, Integers]
    scale: Mapping[str, Tensor]

    def batches(self, windows: Windows, parts: Sequence[Integers]) -> Iterator[Batch]:
        """Batches of windows, the same bits as `echokit.training.data.read_batches` gives.

        Args:
            windows: Which frames each sample is.
            parts: For each batch, (B,) int64 positions in ``windows``.
        """
        for part in parts:
            yield self._batch(windows.case[part], windows.frames[part])

    def _batch(self, case: Integers, frames: Integers) -> Batch:
        streams, valid = {}, {}
        for name, pool in self.frames.items():
            steps = frames.shape[1] - (name != "video")  # a derived stream lies between two frames
            real = np.stack([valid_steps(row, steps) for row in frames])
            rows = np.where(real, self.first[name][case][:, None] + frames[:, :steps], len(pool) - 1)
            taken = pool[send(torch.from_numpy(rows), pool.device)].transpose(1, 2)  # (B, C, T, H, W)
            scale = self.scale[name][send(torch.from_numpy(case), pool.device)][:, None, None, None, None]
            streams[name] = taken.new_empty(taken.shape, dtype=torch.float32).copy_(taken).mul_(scale)
            valid[name] = send(torch.from_numpy(real), pool.device)
        return Batch(streams, valid, case)


def bytes_of(clips: PreparedClips, cases: Integers) -> int:
    """Bytes that all frames of some clips take, padding frame included."""
    height, width = clips.size
    lengths = clips.lengths[cases]
    frames = {name: int((lengths - (name != "video")).clip(0).sum()) + 1 for name in clips.channels}
    return sum(frames[name] * channels * height * width for name, channels in clips.channels.items())


def free_bytes(device: torch.device) -> int:
    """What torch has not taken for itself of a GPU's memory: after an epoch it holds all that an epoch needs."""
    free, _ = torch.cuda.mem_get_info(device)
    return int(free)


def fits(clips: PreparedClips, cases: Integers, free: int) -> bool:
    """Whether some clips fit into so many free bytes with a margin."""
    return bytes_of(clips, cases) <= _SHARE * free


def make_resident(clips: PreparedClips, cases: Integers, device: torch.device) -> ResidentClips:
    """Read all frames of some clips and put them on a device.

    Args:
        clips: Where they are read.
        cases: (n,) int64, each once.
        device: Where they are to lie.
    """
    height, width = clips.size
    frames: dict[str, Tensor] = {}
    first = {name: np.full(len(clips.lengths), -1, np.int64) for name in clips.channels}
    scale = {name: np.ones(len(clips.lengths), np.float32) for name in clips.channels}
    at = dict.fromkeys(clips.channels, 0)
    for case in cases.tolist():
        length = int(clips.lengths[case])
        for name, (data, factor) in clips.read(case, np.arange(length)).items():
            if name not in frames:
                total = int((clips.lengths[cases] - (name != "video")).clip(0).sum()) + 1
                kind = torch.from_numpy(data[:0]).dtype
                frames[name] = torch.zeros((total, data.shape[0], height, width), dtype=kind, device=device)
            there = torch.from_numpy(np.array(data.swapaxes(0, 1), order="C"))
            frames[name][at[name] : at[name] + len(there)] = there.to(device)
            first[name][case], scale[name][case] = at[name], factor
            at[name] += len(there)
    return ResidentClips(frames, first, {name: torch.from_numpy(values).to(device) for name, values in scale.items()})
