"""Which reader reads a video: the content decides, never the name.

Built-in readers come first, then those of plugins in the order of their full names; the first one that claims a file
has it. A reader is imported only for files that begin with its magic.
"""

from __future__ import annotations

import errno
import functools
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from echokit.data.video.clip import Clip, InvalidClip
from echokit.data.video.frame_buffer import too_large
from echokit.errors import EchokitError, VideoError, location_in_package
from echokit.plugins.builtins import echokit_components
from echokit.plugins.component import BUILT_IN, Component
from echokit.plugins.discovery import installed
from echokit.plugins.file_format import HEAD
from echokit.plugins.hookspecs import Register
from echokit.plugins.registry import Registry
from echokit.system.files import files_in_order

INDEXES = ("dicomdir", "thumbs.db", "desktop.ini")
"""Lower-case names of files that lie beside videos and are none, whatever they begin with."""


@dataclass(frozen=True, slots=True)
class Match:
    """A video, and the reader that reads it.

    Attributes:
        reader: The reader.
        path: The file or folder.
        files: Of a folder: its files of the format, in natural order.
        others: Of a folder: the number of its other files.
    """

    reader: Component
    path: Path
    files: tuple[Path, ...] = ()
    others: int = 0

    def read(self, *, frames: int | None, max_bytes: int) -> Clip:
        """Decode the video, within the limits whatever the reader does.

        Raises:
            VideoError: The video cannot be read, or its reader does not work.
        """
        with _blamed(self.reader, self.path):
            read = self.reader.load()()
            clip = read(self._target(), frames=frames, max_bytes=max_bytes)
        if not isinstance(clip, Clip) or not clip.frames.size:
            got = "a clip without frames" if isinstance(clip, Clip) else f"{type(clip).__name__}, not a Clip"
            raise _wrong(self.reader, self.path, f"gave {got}")
        if frames is not None and len(clip) > frames:
            times = None if clip.times is None else clip.times[:frames]
            clip = replace(clip, frames=clip.frames[:frames], times=times)
        if clip.frames.nbytes > max_bytes:
            raise too_large(max_bytes, self.path.name)
        if self.others:
            clip = replace(clip, notes=(*clip.notes, f"files of another kind in the folder: {self.others}"))
        return clip

    def offers(self, method: str) -> bool:
        """Return whether the reader has an optional method.

        Raises:
            VideoError: It cannot be imported.
        """
        with _blamed(self.reader, self.path):
            return callable(getattr(self.reader.load(), method, None))

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call an optional method of the reader with the video; None if it has none.

        Raises:
            VideoError: The video cannot be read, or its reader does not work.
        """
        if not self.offers(method):
            return None
        with _blamed(self.reader, self.path):
            return getattr(self.reader.load()(), method)(self._target(), *arguments)

    def _target(self) -> Path | list[Path]:
        return list(self.files) if self.files else self.path


def find_reader(path: Path) -> Match:
    """Find the reader of a file or folder by content.

    A folder is a video if files of one folder format are in it, and of no other.

    Raises:
        VideoError: The file cannot be read or is no regular file, no reader claims it, or a folder holds no video or
            several kinds.
    """
    head = _head(path)
    if head is None:
        return _find_folder_reader(path)
    for reader in _readers(folders=False):
        if _claims(reader, path, head):
            return Match(reader, path)
    raise VideoError(
        "this is a file of no known format",
        hint="the content counts, not the extension; `echokit list readers` shows the formats: convert it, copy it "
        "again if it should be one of them, or install a plugin that reads it",
        where=path.name,
        code="video.unknown_format",
    )


def plugin_reader(path: Path) -> Component | None:
    """Return the reader of a video if it is a plugin's, else None.

    No file is opened unless a plugin has a reader.
    """
    own = [one for one in installed().registry.registered("reader") if one.plugin != BUILT_IN]
    if not own or not _of_plugins(folders=path.is_dir()):
        return None
    try:
        reader = find_reader(path).reader
    except VideoError:
        return None  # reading it reports the problem
    return None if reader.plugin == BUILT_IN else reader


def plugin_readers(paths: Iterable[Path]) -> tuple[Component, ...]:
    """List the readers of plugins that read some of these videos, by full name."""
    return tuple(sorted({one for path in paths if (one := plugin_reader(path))}, key=_full_name))


def known_suffixes() -> tuple[str, ...]:
    """List the endings that the files of all readers usually have."""
    return tuple(end for reader in _readers(folders=False) if reader.format for end in reader.format.suffixes)


def _readers(*, folders: bool) -> Iterator[Component]:
    """Yield the readers of files, or of folders, in their order.

    Plugins are discovered only when it is their turn.
    """
    yield from _built_in(folders=folders)
    yield from _of_plugins(folders=folders)


@functools.cache
def _built_in(*, folders: bool) -> tuple[Component, ...]:
    own = Registry()
    echokit_components(register=Register(own, BUILT_IN))
    return tuple(reader for reader in own.registered("reader") if _is_folder(reader) == folders)


def _of_plugins(*, folders: bool) -> list[Component]:
    readers = installed().registry.registered("reader")
    own = [one for one in readers if one.plugin != BUILT_IN and _is_folder(one) == folders]
    return sorted(own, key=_full_name)


def _full_name(reader: Component) -> str:
    return reader.full_name


def _is_folder(reader: Component) -> bool:
    return reader.format is not None and reader.format.folder


def _claims(reader: Component, path: Path, head: bytes) -> bool:
    if reader.format is None or not reader.format.claims(head):
        return False
    if reader.plugin == BUILT_IN and not hasattr(reader.load(), "matches"):
        return True
    with _blamed(reader, path):
        return not hasattr(reader.load(), "matches") or bool(reader.load()().matches(path, head))


def _head(path: Path) -> bytes | None:
    """Return the first bytes of a file; None of a folder."""
    where = path.name
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return None
        if not stat.S_ISREG(mode):  # a FIFO blocks until something writes to it, and a device may have no end
            raise OSError(errno.EINVAL, "it is not a regular file")
        with path.open("rb", buffering=0) as file:
            head = file.read(HEAD)
    except FileNotFoundError:
        raise VideoError(
            "there is no such file", hint="check the path and the data root", where=where, code="file.missing"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a valid path"
        raise VideoError(f"the file cannot be opened: {reason}", where=where, code="file.unreadable") from None
    if not head:
        raise VideoError("the file is empty", hint="copy or download it again", where=where, code="file.empty")
    return head


def _find_folder_reader(folder: Path) -> Match:
    try:
        heads = {path: _folder_head(path) for path in files_in_order(folder)}
    except OSError as error:
        raise VideoError(
            f"the folder cannot be read: {error.strerror}", where=folder.name, code="file.unreadable"
        ) from None
    found = _sorted(heads, _built_in(folders=True)) or _sorted(heads, _of_plugins(folders=True))
    if len(found) != 1:
        kinds = " and ".join(reader.full_name for reader in found)
        names = [reader.full_name for reader in _readers(folders=True)]
        raise VideoError(
            f"the folder holds several kinds of video: {kinds}" if found else "the folder holds no video",
            hint=f"a folder is a video if the files in it are of one of the formats {', '.join(names)}",
            where=folder.name,
            code="folder.not_one_video",
        )
    [(reader, files)] = found.items()
    return Match(reader, folder, tuple(files), len(heads) - len(files))


def _folder_head(path: Path) -> bytes:
    """Return the first bytes of a file; none of a file that is no part of a video."""
    if path.name.lower() in INDEXES or not stat.S_ISREG(path.stat().st_mode):
        return b""
    with path.open("rb") as file:
        return file.read(HEAD)


def _sorted(heads: dict[Path, bytes], readers: Sequence[Component]) -> dict[Component, list[Path]]:
    """Group the files by the first folder reader that claims them."""
    found: dict[Component, list[Path]] = {}
    for path, head in heads.items():
        reader = next((reader for reader in readers if _claims(reader, path, head)), None)
        if reader is not None:
            found.setdefault(reader, []).append(path)
    return found


@contextmanager
def _blamed(reader: Component, path: Path) -> Iterator[None]:
    """Turn what a plugin's reader raises into the error of one video.

    Neither the path nor the text of an exception is repeated: both may name a patient.

    Raises:
        VideoError: For every error of a plugin.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit as well
        if reader.plugin == BUILT_IN:
            raise
        if isinstance(error, EchokitError):
            hint = None if error.hint is None else _without_path(error.hint, path)
            raise VideoError(_without_path(error.message, path), hint=hint, where=path.name, code=error.code) from error
        place = location_in_package(error, reader.target.partition(":")[0].partition(".")[0])
        known = f": {error}" if isinstance(error, InvalidClip) else ""
        failed = f"failed with {type(error).__name__}{f' in {place}' if place else ''}{known}"
        raise _wrong(reader, path, failed, code="reader.failed") from error


def _wrong(reader: Component, path: Path, what: str, code: str = "reader.wrong_result") -> VideoError:
    return VideoError(
        f"the reader {reader.name!r} of the plugin {reader.plugin!r} {what}",
        hint=f"fix or uninstall it; echokit plugin check {reader.plugin} runs all checks",
        where=path.name,
        code=code,
    )


def _without_path(text: str, path: Path) -> str:
    folders: Sequence[Path] = (path, path.absolute(), path.resolve())
    for one in folders:
        text = text.replace(str(one), path.name)
    for one in folders:
        if len(one.parent.parts) > 1:
            text = text.replace(str(one.parent), "...")
    return text
