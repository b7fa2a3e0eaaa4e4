"""Read prepared clips in batches, on a device."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from echokit.data.clips.prepared_clips import PreparedClips
from echokit.data.sampling.windows import PADDING, Windows
from echokit.models.norm import Norm

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of windows on the device, in real units, not yet normalised.

    Attributes:
        streams: For each stream (B, C, T', H, W) float32; or ``features`` (B, features) of a frozen backbone.
        valid: For each stream (B, T') bool, False for padding.
        rows: The case of each window.
    """

    streams: dict[str, Tensor]
    valid: dict[str, Tensor]
    rows: Integers


def select_cases(windows: Windows, cases: Integers) -> Windows:
    """Select the windows of some cases, in the order of the windows."""
    selected = np.isin(windows.case, cases)
    return Windows(windows.case[selected], windows.frames[selected])


def batches(
    clips: PreparedClips, windows: Windows, order: Integers, batch_size: int, device: torch.device
) -> Iterator[Batch]:
    """Read windows in batches of equal size; see `read_batches`.

    Args:
        clips: The clips.
        windows: Frames of each sample.
        order: (m,) int64 positions in ``windows``.
        batch_size: Windows in a batch; the last batch may be smaller.
        device: Device of the batches.
    """
    return read_batches(clips, windows, in_batches(order, batch_size), device)


def in_batches(order: Integers, batch_size: int) -> list[Integers]:
    """Cut an order into batches; the last one may be smaller."""
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def read_batches(
    clips: PreparedClips, windows: Windows, parts: Sequence[Integers], device: torch.device
) -> Iterator[Batch]:
    """Read batches of windows; the next one is read in the background.

    Batches are copied to the device as bytes and become float32 there.

    Args:
        clips: The clips.
        windows: Frames of each sample.
        parts: For each batch, (B,) int64 positions in ``windows``.
        device: Device of the batches.
    """
    if not parts:
        return
    with ThreadPoolExecutor(1, thread_name_prefix="echokit-read") as reader:
        ahead: Future[_Compact] = reader.submit(_gather, clips, windows, parts[0], device)
        for following in [*parts[1:], None]:
            compact = ahead.result()
            if following is not None:
                ahead = reader.submit(_gather, clips, windows, following, device)
            yield compact.to(device)


def norm_statistics(clips: PreparedClips, windows: Windows) -> dict[str, Norm]:
    """Compute mean and standard deviation of every channel, without padding.

    Sums are exact, so the order of the windows changes no bit. A signed stream (flow) has mean 0, so that no motion
    stays zero; its standard deviation is then the root mean square.

    Args:
        clips: The clips.
        windows: Windows of the training cases.

    Raises:
        DataError: A channel is constant and cannot be normalised.
    """
    count = dict.fromkeys(clips.channels, 0)
    sums: dict[str, list[tuple[list[float], list[float]]]] = {name: [] for name in clips.channels}
    signed = dict.fromkeys(clips.channels, False)
    for case, frames in zip(windows.case, windows.frames, strict=True):
        for name, (data, scale) in clips.read(int(case), frames).items():
            real = data[:, valid_steps(frames, data.shape[1])]
            signed[name] |= np.issubdtype(data.dtype, np.signedinteger)
            count[name] += real[0].size
            total = real.sum((1, 2, 3), dtype=np.int64)
            squares = np.square(real, dtype=np.int32).sum((1, 2, 3), dtype=np.int64)
            sums[name].append(([int(v) * scale for v in total], [int(v) * scale**2 for v in squares]))
    norms = {}
    for name, parts in sums.items():
        n = max(count[name], 1)
        mean = [0.0 if signed[name] else math.fsum(v) / n for v in zip(*(p[0] for p in parts), strict=True)]
        square = [math.fsum(v) / n for v in zip(*(p[1] for p in parts), strict=True)]
        std = [math.sqrt(max(s - m * m, 0.0)) for s, m in zip(square, mean, strict=True)]
        norms[name] = Norm(mean=tuple(mean), std=tuple(std))
    return norms


@dataclass(frozen=True, slots=True)
class _Compact:
    """A batch as bytes and scales, on the CPU."""

    data: dict[str, Tensor]
    scale: dict[str, Tensor]
    valid: dict[str, Tensor]
    rows: Integers

    def pinned(self, device: torch.device) -> _Compact:
        """Copy to pinned memory, which a GPU reads asynchronously."""
        with torch.cuda.device(device):
            return _Compact(_pinned(self.data), _pinned(self.scale), _pinned(self.valid), self.rows)

    def to(self, device: torch.device) -> Batch:
        streams = {}
        for name, data in self.data.items():
            scale = self.scale[name].to(device, non_blocking=True)[:, None, None, None, None]
            streams[name] = data.to(device, non_blocking=True).to(torch.float32).mul_(scale)
        valid = {name: valid.to(device, non_blocking=True) for name, valid in self.valid.items()}
        return Batch(streams, valid, self.rows)


def _pinned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.pin_memory() for name, tensor in tensors.items()}


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to a device, asynchronously to a GPU."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _gather(clips: PreparedClips, windows: Windows, positions: Integers, device: torch.device) -> _Compact:
    reads = [clips.read(int(windows.case[p]), windows.frames[p]) for p in positions]
    data = {name: np.stack([read[name][0] for read in reads]) for name in reads[0]}
    compact = _Compact(
        data={name: torch.from_numpy(values) for name, values in data.items()},
        scale={name: torch.tensor([read[name][1] for read in reads], dtype=torch.float32) for name in data},
        valid={
            name: torch.from_numpy(np.stack([valid_steps(windows.frames[p], values.shape[2]) for p in positions]))
            for name, values in data.items()
        },
        rows=windows.case[positions],
    )
    return compact.pinned(device) if device.type == "cuda" else compact


def valid_steps(frames: Integers, steps: int) -> npt.NDArray[np.bool_]:
    """Return which time steps of a stream are not padding, which is at the end."""
    valid: npt.NDArray[np.bool_] = frames[len(frames) - steps :] != PADDING
    return valid
