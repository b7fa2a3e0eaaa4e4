"""From prepared clips to batches on a device."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from echokit.models.norm import Norm
from echokit.sampling.windows import PADDING, Windows

Integers = npt.NDArray[np.int64]


class PreparedClips(Protocol):
    """Prepared clips of a cohort, in its order.

    Attributes:
        lengths: (n,) int64 frames of each clip; 0 for a case that could not be prepared.
        channels: Channels of each stream, such as ``{"video": 1, "flow": 2}``.
        size: Height and width.
    """

    @property
    def lengths(self) -> Integers: ...

    @property
    def channels(self) -> Mapping[str, int]: ...

    @property
    def size(self) -> tuple[int, int]: ...

    def identity(self, case: int) -> str:
        """A hash of the clip's content, the same wherever it lies."""
        ...

    def read(self, case: int, frames: Integers) -> dict[str, tuple[npt.NDArray[Any], float]]:
        """Read the streams of a window, compactly: real values are ``data * scale``.

        Args:
            case: Position in the cohort.
            frames: (T,) int64 frame numbers, ``PADDING`` at the end where the clip is too short.

        Returns:
            For each stream, its data and scale: ``video`` (1, T, H, W) uint8, ``flow`` (2, T - 1, H, W) int8,
            where flow i lies between ``frames[i]`` and ``frames[i + 1]``. Zero where a frame is padding.
        """
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows on the device, in real units, not yet normalised.

    Attributes:
        streams: For each stream (B, C, T', H, W) float32; or ``features`` (B, features) of a frozen backbone.
        valid: For each stream (B, T') bool, False where it is padding.
        rows: The case of each window.
    """

    streams: dict[str, Tensor]
    valid: dict[str, Tensor]
    rows: Integers


def of_cases(windows: Windows, cases: Integers) -> Windows:
    """Only the windows of the given cases, in their order."""
    chosen = np.isin(windows.case, cases)
    return Windows(windows.case[chosen], windows.frames[chosen])


def batches(
    clips: PreparedClips, windows: Windows, order: Integers, batch_size: int, device: torch.device
) -> Iterator[Batch]:
    """Read windows in an order, the next batch in the background while the present one is used.

    Batches travel to the device as bytes and become float32 there.

    Args:
        clips: Where windows are read.
        windows: Which frames each sample is.
        order: (m,) int64 positions in ``windows``.
        batch_size: Windows of a batch; the last batch has what is left.
        device: Where the batch is to be.
    """
    return read_batches(clips, windows, in_batches(order, batch_size), device)


def in_batches(order: Integers, batch_size: int) -> list[Integers]:
    """Cut an order into batches; the last one has what is left."""
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def read_batches(
    clips: PreparedClips, windows: Windows, parts: Sequence[Integers], device: torch.device
) -> Iterator[Batch]:
    """Read batches of windows, the next one in the background while the present one is used.

    Args:
        clips: Where windows are read.
        windows: Which frames each sample is.
        parts: For each batch, (B,) int64 positions in ``windows``.
        device: Where the batches are to be.
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
    """Mean and standard deviation of every channel of every stream, over all pixels that are not padding.

    Sums are exact, so neither order nor number of workers changes a bit. A signed stream (flow) keeps mean 0,
    so that no motion stays zero; its deviation is then the root mean square.

    Args:
        clips: Where windows are read.
        windows: Those of the training split.

    Raises:
        DataError: A channel never changes, so that it can not be normalised.
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
    """A batch as it was read: bytes and scales, on the CPU."""

    data: dict[str, Tensor]
    scale: dict[str, Tensor]
    valid: dict[str, Tensor]
    rows: Integers

    def pinned(self, device: torch.device) -> _Compact:
        """The same in memory that a GPU reads by itself, while the CPU goes on."""
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
    """The tensor on a device; the CPU goes on while a GPU copies it."""
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
    """Which of a stream's time steps are real: padding is a tail, so those whose last frame is."""
    real: npt.NDArray[np.bool_] = frames[len(frames) - steps :] != PADDING
    return real
