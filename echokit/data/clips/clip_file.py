"""The file of one prepared clip: written whole, read with checksums."""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.data.video.clip import Clip
from echokit.errors import DataError, EchokitError
from echokit.system.files import PART, atomic_file


@dataclass(frozen=True)
class Mask:
    """The region that a masking step left in a clip.

    Attributes:
        region: (H, W) bool, True inside the mask.
        thumbnail: (H, W) uint8, the middle frame before masking.
    """

    region: npt.NDArray[np.bool_]
    thumbnail: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """Appearance of a video before preprocessing, to find copies by content.

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
        raise _lost(path, "is missing, incomplete or another clip's")
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


def perceptual_descriptor(header: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """Decode the appearance vector of a prepared clip's header: (128,) float32."""
    return np.frombuffer(bytes.fromhex(header["look"]), "<f4")


def write_clip(path: Path, clip: Clip, mask: Mask | None, shown: Shown | None = None) -> None:
    """Write one prepared clip atomically; several processes may do so at once.

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
        "key": path.stem,
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
            hint="free some space, or set ECHOKIT_CACHE (of predict: TMPDIR) to a folder on another disk; "
            "prepared clips stay valid",
            where=str(path.parent.parent),
            code="clip.not_written",
        ) from None


_STALE = 24 * 3600.0


def remove_stale_drafts(folder: Path) -> None:
    """Remove unfinished files, older than a day, of killed writers from a store."""
    for part in folder.glob(f"*/*{PART}"):
        with suppress(OSError):  # another process may sweep too
            if time.time() - part.stat().st_mtime > _STALE:
                part.unlink()


def read_header(path: Path) -> Mapping[str, Any] | None:
    """Read the header of a prepared clip; None if it is not a whole clip of this name.

    Only the head and the size of the file are checked. ``key`` is the name that the file was written under, so that
    clips that were exchanged or copied over each other are noticed. ``sum`` is the checksum of the head, which holds a
    checksum of all frames' checksums: equal sums mean equal clips.
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
    if header["key"] != path.stem:
        return None
    return {**header, "sum": head[SUM].decode()}


def _head(path: Path) -> bytes:
    """Read the length field and the head of a prepared clip's file.

    Raises:
        _Changed: Its checksum does not match.
    """
    with path.open("rb", buffering=0) as file:  # two reads: a buffer would only cost time
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
