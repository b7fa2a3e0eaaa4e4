"""Prepared clips on disk: one safetensors file each, written whole or not at all, read without loading all of it.

Every frame of every stream has a checksum beside it, and the file's head, with the table of what lies where, one of its
own. Both are compared whenever a frame is read: a disk that loses bits costs an error and not a result, and a window is
checked without reading the rest of its clip.
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
    """What a masking step kept of a clip.

    Attributes:
        region: (H, W) bool, True where kept.
        thumbnail: (H, W) uint8, the middle frame before masking.
    """

    region: npt.NDArray[np.bool_]
    thumbnail: npt.NDArray[np.uint8]


class PreparedClips:
    """Prepared clips of some cases, memory-mapped.

    Args:
        paths: One file of the store a case.
        remake: Makes a clip anew that changed or went while it was used: called with its path and what it said of
            itself, it leaves the same clip there or raises an ``EchokitError``. None ends the reading instead.

    Attributes:
        remade: The clips that were made anew.

    Raises:
        DataError: A clip is not there or not whole, or the clips differ in size or streams.
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
            )

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(n,) int64 frames of each clip."""
        return np.array([header["frames"] for header in self.headers], np.int64)

    @property
    def channels(self) -> dict[str, int]:
        """Channels of each stream."""
        return {stream: shape[0] for stream, shape in self.headers[0]["shapes"].items()}

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every frame."""
        _, height, width = self.headers[0]["shapes"]["video"]
        return height, width

    def __len__(self) -> int:
        return len(self.paths)

    def select(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> PreparedClips:
        """The clips of some cases, in the order given."""
        chosen = object.__new__(PreparedClips)
        chosen.paths = [self.paths[row] for row in rows]
        chosen.headers = [self.headers[row] for row in rows]
        chosen.remake, chosen.remade = self.remake, self.remade
        return chosen

    def identity(self, case: int) -> str:
        """Hash of what the clip was made from and how: the name of its file in the store."""
        return self.paths[case].stem

    def read(self, case: int, frames: npt.NDArray[np.int64]) -> dict[str, tuple[npt.NDArray[Any], float]]:
        """Read some frames of one clip.

        Args:
            case: Position of the clip.
            frames: (T,) int64 frame numbers in rising order, ``PADDING`` at the end where the clip is too short.

        Returns:
            ``video``: (1, T, H, W) uint8 with scale 1; other streams: (C, T - 1, H, W) int8 with their scale, entry i
            between frames i and i + 1. Zero where padded.

        Raises:
            DataError: The file has changed since it was written, or is gone, and can not be made anew.
        """
        return self._read(case, lambda file: _window(file, self.headers[case]["scales"], frames))

    def mask(self, case: int) -> Mask | None:
        """What the masking step kept of a clip, where there was one.

        Raises:
            DataError: As ``read``.
        """
        return self._read(case, lambda file: _mask(file, self.headers[case].get("mask")))

    def _read(self, case: int, what: Callable[[Any], Read]) -> Read:
        try:
            with self._opened(case) as file:
                return what(file)
        except DataError:
            if self.remake is None:
                raise
            self.remake(self.paths[case], self.headers[case])
            self.remade.add(self.paths[case])
        with self._opened(case) as file:
            return what(file)

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
            raise _lost(path, "is gone from the store") from None
        except (_Changed, SafetensorError):
            raise _lost(path, "has changed since it was written (a failing disk?)") from None
        except OSError as error:
            raise _lost(path, f"can not be read: {error.strerror}") from None


def _window(
    file: Any, scales: Mapping[str, float], frames: npt.NDArray[np.int64]
) -> dict[str, tuple[npt.NDArray[Any], float]]:
    """Some frames of every stream of an opened clip; see ``PreparedClips.read``."""
    real = frames[frames != PADDING]
    first, last = int(real[0]), int(real[-1])
    streams: dict[str, tuple[npt.NDArray[Any], float]] = {}
    for stream, scale in scales.items():
        between = stream != "video"  # a derived stream lies between two frames
        piece = file.get_slice(stream)[:, first : last + 1 - between]
        sums = file.get_tensor(stream + SUMS)
        wanted = real[: len(real) - between]
        read = piece if len(wanted) == piece.shape[1] else piece[:, wanted - first]
        if not np.array_equal(checksums(read), sums[:, wanted]):
            raise _Changed
        missing = len(frames) - between - len(wanted)
        filled = np.pad(read, ((0, 0), (0, missing), (0, 0), (0, 0))) if missing else read
        streams[stream] = (filled, scale)
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
    """What a video showed before it was prepared, so that copies are found whatever they are called.

    Attributes:
        content: The same for the same decoded frames, and for no others.
        look: (128,) float32, low frequencies by which videos are compared.
        change: Mean change over time, in grey values.
    """

    content: str
    look: npt.NDArray[np.float32]
    change: float


class _Changed(Exception):
    """What was read is not what was written."""


def _lost(path: Path, what: str) -> DataError:
    return DataError(
        f"a prepared clip {what}", hint="echokit data prepare RECIPE makes anew whatever is damaged", where=path.name
    )


def _there(path: Path) -> Mapping[str, Any]:
    header = read_header(path)
    if header is None:
        raise _lost(path, "is not there, or not whole")
    return header


SUMS = ".sums"
"""Ending of the name of a stream's checksums."""
START = b'{"__metadata__":{"clip":"'
SUM = slice(8 + len(START), 8 + len(START) + 8)
"""Where the head's checksum lies, as eight hexadecimal digits: ahead of what the clip says of itself."""


def checksums(data: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """CRC-32 of every frame of every channel.

    Args:
        data: (C, T, H, W) of any type.

    Returns:
        (C, T) uint32.
    """
    channels, frames, height, width = data.shape
    pictures = np.ascontiguousarray(data).reshape(channels * frames, height * width)
    sums = [zlib.crc32(picture) for picture in pictures]  # type: ignore[arg-type]
    return np.array(sums, np.uint32).reshape(channels, frames)


def look_of(header: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """How the video of a prepared clip looked: (128,) float32."""
    return np.frombuffer(bytes.fromhex(header["look"]), "<f4")


def write_clip(path: Path, clip: Clip, mask: Mask | None, shown: Shown | None = None) -> None:
    """Write one prepared clip; a reader sees all of it or nothing, however many write it at once.

    Raises:
        EchokitError: It can not be written, for instance because the disk is full.
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
        with atomic_file(path, durable=False) as draft:  # its checksums tell what a power cut has spoilt
            save_file(arrays, draft, metadata={"clip": "0" * 8 + json.dumps(header, sort_keys=True)})
            _write_sum(draft)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()).rpartition("error: ")[2]
        raise EchokitError(
            f"a prepared clip can not be written: {reason}",
            hint="free some space, or set ECHOKIT_CACHE to a folder on another disk; what is prepared stays",
            where=str(path.parent.parent),
        ) from None


_STALE = 24 * 3600.0


def sweep(folder: Path) -> None:
    """Remove what writers that were killed more than a day ago have left in a store."""
    for part in folder.glob(f"*/*{PART}"):
        with suppress(OSError):  # another process sweeps too
            if time.time() - part.stat().st_mtime > _STALE:
                part.unlink()


def read_header(path: Path) -> Mapping[str, Any] | None:
    """What a prepared clip says of itself, or None where it is not there or not whole (it is then made again).

    Of the file, the head and the size are looked at. ``sum`` is the checksum of the head, and the head holds one of all
    frames' checksums: where it is the same, so is the clip.
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
    """Length and head of a safetensors file of ours, whose checksum is right.

    Raises:
        _Changed: It is not.
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
    """Put the checksum of the head of a file into its place."""
    with path.open("r+b") as file:
        size = file.read(8)
        head = size + file.read(int.from_bytes(size, "little"))
        assert head[8 : SUM.start] == START
        file.seek(SUM.start)
        file.write(_sum_of(head))


def is_whole(path: Path) -> bool:
    """Whether a prepared clip is there and all of it is as it was written: every frame is read."""
    try:
        clips = PreparedClips([path])
        clips.read(0, np.arange(clips.lengths[0]))
        clips.mask(0)
    except DataError:
        return False
    return True


def one_clip(clip: Clip, mask: Mask | None, folder: Path) -> PreparedClips:
    """Write one clip into a folder of the caller's and open it, outside any store."""
    path = folder / "clip.safetensors"
    write_clip(path, clip, mask)
    return PreparedClips([path])
