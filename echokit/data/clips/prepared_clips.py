"""Prepared clips on disk: one safetensors file each, written atomically and read in parts.

Every frame of every stream has a checksum, and so has the head of the file. Both are compared on every read: a failing
disk causes an error and no wrong result, and a window is verified without reading the rest of its clip.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from echokit.data.clips.clip_file import (
    SUM,
    SUMS,
    Mask,
    _Changed,
    _head,
    _lost,
    _there,
    checksums,
    write_clip,
)
from echokit.data.sampling.clip_table import ClipTable, clip_table
from echokit.data.sampling.windows import PADDING
from echokit.data.video.clip import Clip
from echokit.errors import DataError

Read = TypeVar("Read")
Repair = Callable[[Path, Mapping[str, Any]], None]


class PreparedClips:
    """Prepared clips of some cases, memory-mapped.

    Args:
        paths: One file of the store per case.
        repair: Prepares a clip again that was changed or deleted while in use: called with its path and header, it
            writes the same clip or raises an ``EchokitError``. None: such a clip is an error.

    Attributes:
        repaired: The clips that were prepared again.

    Raises:
        DataError: A clip is missing or damaged, or the clips differ in size or streams.
    """

    def __init__(self, paths: Sequence[Path], repair: Repair | None = None) -> None:
        self.paths = list(paths)
        self.repair = repair
        self.repaired: set[Path] = set()
        self.headers = [_there(path) for path in self.paths]
        shapes = {json.dumps(header["shapes"], sort_keys=True) for header in self.headers}
        if len(shapes) > 1:
            raise DataError(
                f"the prepared videos differ in size or streams: {', '.join(sorted(shapes)[:3])}",
                hint="add a resize step to preprocess",
                where="preprocess",
                code="clip.different_sizes",
            )

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of frames of each clip: (n,) int64."""
        return np.array([header["frames"] for header in self.headers], np.int64)

    def table(self) -> ClipTable:
        """What a sampler may know of the clips: their lengths and rates."""
        return clip_table(self.lengths, np.array([header["fps"] or np.nan for header in self.headers], np.float64))

    @property
    def channels(self) -> dict[str, int]:
        """Number of channels of each stream."""
        return {stream: shape[0] for stream, shape in self.headers[0]["shapes"].items()}

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every frame."""
        _, height, width = self.headers[0]["shapes"]["video"]
        return height, width

    def __len__(self) -> int:
        return len(self.paths)

    def select(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> PreparedClips:
        """Select the clips of some cases, in the given order."""
        selected = object.__new__(PreparedClips)
        selected.paths = [self.paths[row] for row in rows]
        selected.headers = [self.headers[row] for row in rows]
        selected.repair, selected.repaired = self.repair, self.repaired
        return selected

    def identity(self, case: int) -> str:
        """Return the hash of a clip's video and preprocessing: its name in the store."""
        return self.paths[case].stem

    def read(self, case: int, frames: npt.NDArray[np.int64]) -> dict[str, tuple[npt.NDArray[Any], float]]:
        """Read some frames of one clip.

        Args:
            case: Position of the clip.
            frames: (T,) int64 frame numbers in ascending order, ``PADDING`` at the end if the clip is too short.

        Returns:
            ``video``: (1, T, H, W) uint8 with scale 1; other streams: (C, T - 1, H, W) int8 with their scale, entry i
            between frames i and i + 1. Padding is zero.

        Raises:
            DataError: The file is damaged or missing, and cannot be prepared again.
        """
        return self._read(case, lambda file: _window(file, self.headers[case], frames))

    def mask(self, case: int) -> Mask | None:
        """Read the mask of a clip; None if no step masked it.

        Raises:
            DataError: As ``read``.
        """
        return self._read(case, lambda file: _mask(file, self.headers[case].get("mask")))

    def _read(self, case: int, read: Callable[[Any], Read]) -> Read:
        try:
            with self._opened(case) as file:
                return read(file)
        except DataError:
            if self.repair is None:
                raise
            self.repair(self.paths[case], self.headers[case])
            self.repaired.add(self.paths[case])
        with self._opened(case) as file:
            return read(file)

    @contextmanager
    def _opened(self, case: int) -> Iterator[Any]:
        from safetensors import SafetensorError, safe_open

        path = self.paths[case]
        try:
            with safe_open(path, framework="numpy") as file:
                if _head(path)[SUM] != self.headers[case]["sum"].encode():
                    raise _Changed
                yield file
        except FileNotFoundError:
            raise _lost(path, "is missing from the store") from None
        except (_Changed, SafetensorError):
            raise _lost(path, "has changed since it was written (a failing disk?)") from None
        except OSError as error:
            raise _lost(path, f"cannot be read: {error.strerror}") from None


def _window(
    file: Any, header: Mapping[str, Any], frames: npt.NDArray[np.int64]
) -> dict[str, tuple[npt.NDArray[Any], float]]:
    """Read some frames of every stream of an open clip; see ``PreparedClips.read``."""
    real = frames[frames != PADDING]
    first, last = int(real[0]), int(real[-1])
    streams: dict[str, tuple[npt.NDArray[Any], float]] = {}
    for stream, scale in header["scales"].items():
        derived = stream != "video"  # an entry of a derived stream lies between two frames
        span = file.get_slice(stream)[:, first : last + 1 - derived]
        sums = file.get_tensor(stream + SUMS)
        numbers = real[: len(real) - derived]
        data = span if len(numbers) == span.shape[1] else span[:, numbers - first]
        whole = zlib.crc32(sums) == header["sums"][stream]  # this clip's, not another one's
        if not whole or not (checksums(data) == sums[:, numbers]).all():
            raise _Changed
        missing = len(frames) - derived - len(numbers)
        padded = np.pad(data, ((0, 0), (0, missing), (0, 0), (0, 0))) if missing else data
        streams[stream] = (padded, scale)
    return streams


def _mask(file: Any, sums: Sequence[int] | None) -> Mask | None:
    if sums is None:
        return None
    region, thumbnail = file.get_tensor("mask"), file.get_tensor("thumbnail")
    if sums != [zlib.crc32(region.data), zlib.crc32(thumbnail.data)]:
        raise _Changed
    return Mask(region.astype(bool), thumbnail)


def is_intact(path: Path) -> bool:
    """Return whether a prepared clip exists and all its checksums match.

    Every frame is read.
    """
    try:
        clips = PreparedClips([path])
        clips.read(0, np.arange(clips.lengths[0]))
        clips.mask(0)
    except DataError:
        return False
    return True


def one_clip(clip: Clip, mask: Mask | None, folder: Path) -> PreparedClips:
    """Write one clip into a folder, outside any store, and open it."""
    path = folder / "clip.safetensors"
    write_clip(path, clip, mask)
    return PreparedClips([path])
