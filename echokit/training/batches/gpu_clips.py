"""Keep clips in GPU memory as bytes, and gather batches there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from echokit.data.clips.prepared_clips import PreparedClips
from echokit.data.sampling.windows import Windows
from echokit.training.batches.batches import Batch, Integers, send, valid_steps

_SHARE = 0.9  # of the free memory, as batches need slightly different amounts


@dataclass(frozen=True)
class ResidentClips:
    """All frames of some clips, on a device.

    Attributes:
        frames: For each stream (n + 1, C, H, W) bytes, clip after clip; the last one is zero, for padding.
        first: (cases,) int64 by stream: position of the first frame of a case; -1 for a case that is not included.
        scale: (cases,) float32 by stream, on the device: real values are bytes times this.
    """

    frames: Mapping[str, Tensor]
    first: Mapping[str, Integers]
    scale: Mapping[str, Tensor]

    def batches(self, windows: Windows, parts: Sequence[Integers]) -> Iterator[Batch]:
        """Yield batches of windows with the same bits as `read_batches`.

        Args:
            windows: Frames of each sample.
            parts: For each batch, (B,) int64 positions in ``windows``.
        """
        for part in parts:
            yield self._batch(windows.case[part], windows.frames[part])

    def _batch(self, case: Integers, frames: Integers) -> Batch:
        streams, valid = {}, {}
        for name, pool in self.frames.items():
            steps = frames.shape[1] - (name != "video")  # a derived stream lies between two frames
            is_frame = np.stack([valid_steps(row, steps) for row in frames])
            rows = np.where(is_frame, self.first[name][case][:, None] + frames[:, :steps], len(pool) - 1)
            gathered = pool[send(torch.from_numpy(rows), pool.device)].transpose(1, 2)  # (B, C, T, H, W)
            scale = self.scale[name][send(torch.from_numpy(case), pool.device)][:, None, None, None, None]
            streams[name] = gathered.new_empty(gathered.shape, dtype=torch.float32).copy_(gathered).mul_(scale)
            valid[name] = send(torch.from_numpy(is_frame), pool.device)
        return Batch(streams, valid, case)


def bytes_of(clips: PreparedClips, cases: Integers) -> int:
    """Compute the size of all frames of some clips, padding frame included."""
    height, width = clips.size
    lengths = clips.lengths[cases]
    frames = {name: int((lengths - (name != "video")).clip(0).sum()) + 1 for name in clips.channels}
    return sum(frames[name] * channels * height * width for name, channels in clips.channels.items())


def free_bytes(device: torch.device) -> int:
    """Return the GPU memory that torch has not reserved.

    After an epoch, torch has reserved all that an epoch needs.
    """
    free, _ = torch.cuda.mem_get_info(device)
    return int(free)


def fits(clips: PreparedClips, cases: Integers, free: int) -> bool:
    """Return whether some clips fit into the free bytes with a margin."""
    return bytes_of(clips, cases) <= _SHARE * free


def make_resident(clips: PreparedClips, cases: Integers, device: torch.device) -> ResidentClips:
    """Read all frames of some clips into the memory of a device.

    Args:
        clips: Clips of the whole cohort.
        cases: (n,) int64, each once.
        device: The device.
    """
    height, width = clips.size
    frames: dict[str, Tensor] = {}
    first = {name: np.full(len(clips.lengths), -1, np.int64) for name in clips.channels}
    scale = {name: np.ones(len(clips.lengths), np.float32) for name in clips.channels}
    position = dict.fromkeys(clips.channels, 0)
    for case in cases.tolist():
        length = int(clips.lengths[case])
        for name, (data, factor) in clips.read(case, np.arange(length)).items():
            if name not in frames:
                total = int((clips.lengths[cases] - (name != "video")).clip(0).sum()) + 1
                dtype = torch.from_numpy(data[:0]).dtype
                frames[name] = torch.zeros((total, data.shape[0], height, width), dtype=dtype, device=device)
            clip = torch.from_numpy(np.array(data.swapaxes(0, 1), order="C"))
            frames[name][position[name] : position[name] + len(clip)] = clip.to(device)
            first[name][case], scale[name][case] = position[name], factor
            position[name] += len(clip)
    return ResidentClips(frames, first, {name: torch.from_numpy(values).to(device) for name, values in scale.items()})
