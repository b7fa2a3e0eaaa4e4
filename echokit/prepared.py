"""Prepared clips on disk: one safetensors file each, written atomically and read in parts.

Every frame of every stream has a checksum, and so has the head of the file. Both are compared on every read: a failing
disk causes an error and no wrong result, and a window is verified without reading the rest of its clip.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from echokit.errors import DataError, EchokitError
from echokit.files import PART, atomic_file
from echokit.sampling.windows import PADDING
from echokit.video.clip import Clip

Read = TypeVar("Read")
Remake = Callable[[Path, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Mask:
    """The region that a masking step left in a clip.

    Attributes:
        region: (H, W) bool, True inside the mask.
        thumbnail: (H, W) uint8, the middle frame before masking.
    """

    region: npt.NDArray[np.bool_]
    thumbnail: npt.NDArray[np.uint8]


class PreparedClips:
    """Prepared clips of some cases, memory-mapped.

    Args:
        paths: One file of the store per case.
        remake: Prepares a clip again that was changed or deleted while in use: called with its path and header, it
            writes the same clip or raises an ``EchokitError``. None: such a clip is an error.

    Attributes:
        remade: The clips that were prepared again.

    Raises:
        DataError: A clip is missing or damaged, or the clips differ in size or streams.
    """

    def __init__(self, paths: Sequence[Path], remake: Remake | None = None) -> None:
        self.paths = list(paths)
        self.remake = remake
        self.remade: set[Path] = set()
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
        selected.remake, selected.remade = self.remake, self.remade
        return selected

    def identity(self, case: int) -> str:
        """Return the hash of a clip's video and preprocessing: the name of its file in the store."""
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
        return self._read(case, lambda file: _window(file, self.headers[case]["scales"], frames))

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
            if self.remake is None:
                raise
            self.remake(self.paths[case], self.headers[case])
            self.remade.add(self.paths[case])
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
    file: Any, scales: Mapping[str, float], frames: npt.NDArray[np.int64]
) -> dict[str, tuple[npt.NDArray[Any], float]]:
    """Read some frames of every stream of an open clip; see ``PreparedClips.read``."""
    real = frames[frames != PADDING]
    first, last = int(real[0]), int(real[-1])
    streams: dict[str, tuple[npt.NDArray[Any], float]] = {}
    for stream, scale in scales.items():
        derived = stream != "video"  # an entry of a derived stream lies between two frames
        span = file.get_slice(stream)[:, first : last + 1 - derived]
        sums = file.get_tensor(stream + SUMS)
        numbers = real[: len(real) - derived]
        data = span if len(numbers) == span.shape[1] else span[:, numbers - first]
        if not np.array_equal(checksums(data), sums[:, numbers]):
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


@dataclass(frozen=True)
class Shown:
    """The appearance of a video before preprocessing, by which copies are found under any name.

    Attributes:
        content: Hash of the decoded frames.
        look: (128,) float32, low frequencies, to compare videos by.
        change: Mean change over time, in grey levels.
    """

    content: str
    look: npt.NDArray[np.float32]
    change: float


class _Changed(Exception):
    """A checksum does not match."""


def _lost(path: Path, what: str) -> DataError:
    return DataError(
        f"a prepared clip {what}",
        hint="echokit data prepare RECIPE repairs damaged clips",
        where=path.name,
        code="clip.damaged",
    )


def _there(path: Path) -> Mapping[str, Any]:
    header = read_header(path)
    if header is None:
        raise _lost(path, "is missing or incomplete")
    return header


SUMS = ".sums"
"""Ending of the name of a stream's checksums."""
START = b'{"__metadata__":{"clip":"'
SUM = slice(8 + len(START), 8 + len(START) + 8)
"""Position of the head's checksum, eight hexadecimal digits, ahead of the clip's header."""


def checksums(data: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """Compute the CRC-32 of every frame of every channel.

    Args:
        data: (C, T, H, W), any dtype.

    Returns:
        (C, T) uint32.
    """
    channels, frames, height, width = data.shape
    pictures = np.ascontiguousarray(data).reshape(channels * frames, height * width)
    sums = [zlib.crc32(picture) for picture in pictures]  # type: ignore[arg-type]
    return np.array(sums, np.uint32).reshape(channels, frames)


def look_of(header: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """Decode the appearance vector of a prepared clip's header: (128,) float32."""
    return np.frombuffer(bytes.fromhex(header["look"]), "<f4")


def write_clip(path: Path, clip: Clip, mask: Mask | None, shown: Shown | None = None) -> None:
    """Write one prepared clip atomically; several processes may write the same one at once.

    Raises:
        EchokitError: It cannot be written, for instance because the disk is full.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays: dict[str, npt.NDArray[Any]] = {"video": np.ascontiguousarray(clip.frames[None])}
    scales = {"video": 1.0}
    for name, stream in clip.streams.items():
        arrays[name] = np.ascontiguousarray(stream.data)
        scales[name] = float(stream.scale)
    header: dict[str, Any] = {
        "frames": len(clip),
        "fps": clip.fps,
        "notes": list(clip.notes),
        "source": clip.source,
        "scales": scales,
        "shapes": {name: [array.shape[0], *array.shape[2:]] for name, array in arrays.items()},
    }
    if shown is not None:
        look = shown.look.astype("<f4").tobytes().hex()
        header |= {"content": shown.content, "look": look, "change": shown.change}
    if mask is not None:
        arrays["mask"] = np.ascontiguousarray(mask.region.astype(np.uint8))
        arrays["thumbnail"] = np.ascontiguousarray(mask.thumbnail)
        header["mask"] = [zlib.crc32(arrays["mask"].data), zlib.crc32(arrays["thumbnail"].data)]
    for name in scales:
        arrays[name + SUMS] = checksums(arrays[name])
    header["sums"] = {name: zlib.crc32(arrays[name + SUMS].data) for name in scales}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path, durable=False) as draft:  # checksums detect what a power cut damages
            save_file(arrays, draft, metadata={"clip": "0" * 8 + json.dumps(header, sort_keys=True)})
            _write_sum(draft)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()).rpartition("error: ")[2]
        raise EchokitError(
            f"a prepared clip cannot be written: {reason}",
            hint="free some space, or set ECHOKIT_CACHE to a folder on another disk; prepared clips stay valid",
            where=str(path.parent.parent),
            code="clip.not_written",
        ) from None


_STALE = 24 * 3600.0


def sweep(folder: Path) -> None:
    """Remove unfinished files, older than a day, of killed writers from a store."""
    for part in folder.glob(f"*/*{PART}"):
        with suppress(OSError):  # another process may sweep too
            if time.time() - part.stat().st_mtime > _STALE:
                part.unlink()


def read_header(path: Path) -> Mapping[str, Any] | None:
    """Read the header of a prepared clip; None if the file is missing or incomplete.

    Only the head and the size of the file are checked. ``sum`` is the checksum of the head, which holds a checksum of
    all frames' checksums: equal sums mean equal clips.
    """
    try:
        head = _head(path)
        tensors = json.loads(head[8:])
        end = max(tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__")
        if len(head) + end != path.stat().st_size:
            return None
        header: dict[str, Any] = json.loads(tensors["__metadata__"]["clip"][8:])
    except (_Changed, OSError, ValueError):
        return None
    return {**header, "sum": head[SUM].decode()}


def _head(path: Path) -> bytes:
    """Read the length field and the head of a prepared clip's file.

    Raises:
        _Changed: Its checksum does not match.
    """
    with path.open("rb") as file:
        size = file.read(8)
        length = int.from_bytes(size, "little")
        head = size + file.read(min(length, os.fstat(file.fileno()).st_size))
    if len(head) != 8 + length or head[SUM] != _sum_of(head):
        raise _Changed
    return head


def _sum_of(head: bytes) -> bytes:
    return b"%08x" % zlib.crc32(head[: SUM.start] + b"0" * 8 + head[SUM.stop :])


def _write_sum(path: Path) -> None:
    """Write the checksum of a file's head into the head."""
    with path.open("r+b") as file:
        size = file.read(8)
        head = size + file.read(int.from_bytes(size, "little"))
        assert head[8 : SUM.start] == START
        file.seek(SUM.start)
        file.write(_sum_of(head))


def is_whole(path: Path) -> bool:
    """Return whether a prepared clip exists and all its checksums match; reads every frame."""
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
