"""Checks of a reader: (path, frames, max_bytes) -> Clip."""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from echokit.data.video.clip import Clip, Frames
from echokit.data.video.readers import find_reader
from echokit.errors import VideoError
from echokit.plugins.component import BUILT_IN
from echokit.plugins.discovery import installed
from echokit.plugins.file_format import HEAD, FileFormat
from echokit.system.files import files_in_order
from echokit.testing.case import Skip, Subject, require

_LIMIT = 2**30
_LOSSY = 3.0  # grey levels by which the frames of a lossy codec may differ, on average
_DAMAGED = 24  # copies with overwritten bytes


def check_reads_the_video_of_its_case(subject: Subject) -> None:
    """It gives the frames that the case wrote, but for what a lossy codec loses."""
    path, expected = _video(subject)
    clip = _read(subject, path)
    require(isinstance(clip, Clip), f"it gives {type(clip).__name__}, not a Clip")
    require(clip.frames.shape == expected.shape, f"it gives {clip.frames.shape} of {expected.shape}")
    apart = float(np.abs(clip.frames.astype(float) - expected).mean())
    require(apart <= _LOSSY, f"the frames differ by {apart:.1f} grey levels on average")


def check_is_found_by_content(subject: Subject) -> None:
    """The video of the case has its magic, under any name."""
    path, _ = _video(subject)
    with _copy(path) as copy:
        renamed = copy.rename(copy.with_name("renamed.txt"))
        found = find_reader(renamed).reader
    require(found == subject.component, f"{path.name} is read by {found.full_name}")


def check_claims_no_other_format(subject: Subject) -> None:
    """Its magic is not that of a built-in format, a text or empty bytes."""
    own = _format(subject)
    heads = {"a text": b"patient,ef\n" * HEAD, "zeros": bytes(HEAD)}
    for reader in installed().registry.registered("reader"):
        if reader.plugin == BUILT_IN and reader.format is not None and reader.format.magic != own.magic:
            heads |= {f"{reader.name} files": _head(parts) for parts in reader.format.magic}
    for name, head in heads.items():
        require(not own.claims(head[:HEAD]), f"its magic is also that of {name}: name more bytes")


def check_reads_the_first_frames(subject: Subject) -> None:
    """``frames=2`` gives the first two frames with the same bits."""
    path, _ = _video(subject)
    whole, first = _read(subject, path), _read(subject, path, frames=2)
    require(len(first) == min(2, len(whole)), f"frames=2 gives {len(first)} frames of {len(whole)}")
    require(np.array_equal(first.frames, whole.frames[:2]), "frames=2 gives other frames")


def check_keeps_the_limit_of_bytes(subject: Subject) -> None:
    """A video that is larger than ``max_bytes`` raises a VideoError."""
    path, _ = _video(subject)
    size = _read(subject, path).frames.nbytes
    try:
        _read(subject, path, max_bytes=size - 1)
    except VideoError:
        return
    require(False, f"it gives {size} bytes of frames with max_bytes={size - 1}")


def check_a_damaged_file_raises_a_video_error_or_is_marked(subject: Subject) -> None:
    """Half a file is refused, short or marked; no damage raises another exception."""
    path, expected = _video(subject)
    rng = np.random.default_rng(0)
    with _copy(path) as copy:
        file = copy if copy.is_file() else files_in_order(copy)[0]
        whole = file.read_bytes()
        for length in (0, 1, len(_head(_format(subject).magic[0])), len(whole) // 2):
            file.write_bytes(whole[:length])
            clip = _read_damaged(subject, copy, f"a file cut after {length} of {len(whole)} bytes")
            unmarked = clip is not None and len(clip) >= len(expected) and not clip.damaged
            require(not unmarked, f"a file cut after {length} of {len(whole)} bytes is read as if it were whole")
        for _ in range(_DAMAGED):
            damaged = np.frombuffer(whole, np.uint8).copy()
            start = int(rng.integers(0, min(len(whole), 2048) if rng.random() < 0.7 else len(whole)))
            damaged[start : start + 8] = rng.integers(0, 256, len(damaged[start : start + 8]), dtype=np.uint8)
            file.write_bytes(damaged.tobytes())
            _read_damaged(subject, copy, f"a file with other bytes at {start}")
        file.unlink()
        if copy == file:
            _read_damaged(subject, copy, "a file that is not there")


def check_errors_name_no_folder(subject: Subject) -> None:
    """The error of a damaged file does not repeat its path: folders name patients."""
    path, _ = _video(subject)
    with _copy(path) as copy:
        file = copy if copy.is_file() else files_in_order(copy)[0]
        file.write_bytes(_head(_format(subject).magic[0]))
        try:
            _read(subject, copy)
        except VideoError as error:
            require(str(copy.parent) not in str(error), "its error repeats the path of the file")


def check_does_not_change_the_file(subject: Subject) -> None:
    """Reading changes no byte and adds no file."""
    with _copy(_video(subject)[0]) as path:
        before = _contents(path)
        _read(subject, path)
        require(_contents(path) == before, "reading changes the file, or the folder that it is in")


def check_gives_the_same_twice(subject: Subject) -> None:
    """A file gives the same clip again, also from a pickled copy."""
    path, _ = _video(subject)
    first, second = _read(subject, path), _read(subject, path, make=pickle.loads(pickle.dumps(subject.make())))
    require(np.array_equal(first.frames, second.frames), "the frames differ")
    for name in ("fps", "spacing", "notes", "source", "damaged"):
        require(getattr(first, name) == getattr(second, name), f"{name} differs")


def check_states_what_it_read(subject: Subject) -> None:
    """``source`` names the format and nothing of the file; a frame rate is positive."""
    path, _ = _video(subject)
    clip = _read(subject, path)
    require(clip.source, "Clip.source is empty: name the format")
    require(path.stem not in clip.source, "Clip.source repeats the name of the file")
    require(clip.fps is None or (np.isfinite(clip.fps) and clip.fps > 0), f"the frame rate is {clip.fps}")


def check_the_patient_is_text(subject: Subject) -> None:
    """``patient`` gives the identifier as text, or None."""
    if not hasattr(subject.component.load(), "patient"):
        raise Skip("it reads no patient")
    path, _ = _video(subject)
    patient = subject.make().patient(_target(subject, path))
    require(patient is None or isinstance(patient, str), f"it gives {type(patient).__name__}, not text")


def check_colours_are_rgb(subject: Subject) -> None:
    """``colours`` gives (k, H, W, 3) uint8, or None."""
    if not hasattr(subject.component.load(), "colours"):
        raise Skip("it reads no colours")
    path, expected = _video(subject)
    colours = subject.make().colours(_target(subject, path), {0})
    fits = colours is None or (colours.dtype == np.uint8 and colours.shape == (1, *expected.shape[1:], 3))
    require(fits, "it does not give (1, H, W, 3) uint8 for one frame")


def _video(subject: Subject) -> tuple[Path, Frames]:
    require(
        subject.case.video is not None,
        "its case writes no video: return Case(video=...) in the hook echokit_cases, a function that writes one into a "
        "folder and returns its path and frames",
    )
    return subject.video


def _format(subject: Subject) -> FileFormat:
    assert subject.component.format is not None
    return subject.component.format


def _target(subject: Subject, path: Path) -> Any:
    return files_in_order(path) if _format(subject).folder else path


def _read(
    subject: Subject, path: Path, *, frames: int | None = None, max_bytes: int = _LIMIT, make: Any = None
) -> Clip:
    reader = subject.make() if make is None else make
    clip: Clip = reader(_target(subject, path), frames=frames, max_bytes=max_bytes)
    return clip


def _read_damaged(subject: Subject, path: Path, what: str) -> Clip | None:
    try:
        return _read(subject, path)
    except VideoError:
        return None
    except Exception as error:
        require(False, f"{what} raises {type(error).__name__}, not a VideoError")
        raise


@contextmanager
def _copy(path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="echokit-check-") as folder:
        copy = Path(folder) / path.name
        if path.is_dir():
            shutil.copytree(path, copy)
        else:
            shutil.copy(path, copy)
        yield copy


def _contents(path: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted(path.parent.rglob("*")) if file.is_file()}


def _head(parts: tuple[tuple[int, bytes], ...]) -> bytes:
    """Build the shortest head with a magic."""
    head = bytearray(max(offset + len(found) for offset, found in parts))
    for offset, found in parts:
        head[offset : offset + len(found)] = found
    return bytes(head)
