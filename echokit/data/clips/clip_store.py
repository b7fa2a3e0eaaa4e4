"""ClipStore: a content-addressed store of prepared clips, one safetensors file each.

The name of a file is a hash of the video's content, of the code and parameters of every preprocessing step, and of the
code and libraries that decode and filter. If a plugin's reader reads the video, its code is among them. So no stale
clip is ever used, a killed build continues at the next video, and two runs with the same preprocessing share their
clips.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from echokit.data.clips.appearance import describe
from echokit.data.clips.clip_file import Shown, read_header, remove_stale_drafts, write_clip
from echokit.data.clips.prepare_video import NO_CASE, Step, apply_steps, columns_of, decode
from echokit.data.clips.prepared_clips import PreparedClips, is_intact
from echokit.data.video.readers import plugin_reader
from echokit.errors import DataError, VideoError
from echokit.plugins.component import Component
from echokit.plugins.component_config import ComponentConfig
from echokit.system.hashing import cache_hashes, cached_hashes, content_hash, digest, package_hash
from echokit.system.progress import display
from echokit.system.worker_pool import WorkerFailure, map_unordered

FORMAT = 5
DECODING_LIBRARIES = (
    "av",
    "opencv-python",
    "pillow",
    "pydicom",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
    "python-gdcm",
)


@dataclass(frozen=True)
class Failure:
    """A video that could not be prepared, and the reason."""

    case_id: str
    reason: str


class VideoSource(NamedTuple):
    """A video to prepare.

    Attributes:
        case_id: Its case.
        path: The file or folder.
        case: What the steps may know of the case, by column of the cohort.
    """

    case_id: str
    path: Path
    case: Mapping[str, Any] = NO_CASE


def steps_of(preprocess: Sequence[ComponentConfig]) -> tuple[Step, ...]:
    """Build the preprocessing steps of a recipe."""
    steps = []
    for use in preprocess:
        code = use.code_hash()
        identity = digest({"use": use.identity(), "plugin": use.component.plugin, "code": code})
        make = use.build()
        steps.append(Step(use.name, make, use.component.mask, identity, use.component.plugin, columns_of(make)))
    return tuple(steps)


@dataclass(frozen=True)
class Preparation:
    """The prepared clips of a cohort.

    Attributes:
        rows: (n,) int64 rows of the cohort that could be prepared, in order.
        clips: Their prepared clips.
        contents: Content hash of each of their video files.
        failures: The other rows, with the reason.
        made: Number of clips prepared now; the others were in the store.
        damaged: Number of clips prepared now because those in the store were damaged.
        readers: The readers of plugins that read some of the videos, by full name.
    """

    rows: npt.NDArray[np.int64]
    clips: PreparedClips
    contents: tuple[str, ...]
    failures: tuple[Failure, ...]
    made: int
    damaged: int
    readers: tuple[Component, ...] = ()

    @property
    def changed(self) -> int:
        """Number of damaged clips that were prepared again, before or during use."""
        return self.damaged + len(self.clips.repaired)

    def notes(self) -> dict[str, int]:
        """Count the notes of the clips."""
        return dict(Counter(note for header in self.clips.headers for note in header["notes"]))


@cache
def _libraries() -> dict[str, str]:
    return {name: version(name) for name in DECODING_LIBRARIES}


@cache
def _reader_identity(reader: Component) -> dict[str, str]:
    return {"reader": reader.full_name, "code": reader.code_hash()}


@dataclass(frozen=True)
class ClipStore:
    """Prepared clips under one folder."""

    folder: Path

    def path(
        self,
        content: str,
        steps: Sequence[Step],
        case: Mapping[str, Any] = NO_CASE,
        reader: Component | None = None,
    ) -> Path:
        """Return the path of the clip of a video with this content hash after these steps.

        Args:
            content: Content hash of the video.
            steps: The steps.
            case: What the steps know of its case.
            reader: The reader of the video if it is a plugin's; the code of the built-in ones counts for every clip.
        """
        key = digest(
            {
                **({"case": dict(case)} if case else {}),
                "format": FORMAT,
                "content": content,
                "steps": [step.identity for step in steps],
                "decoder": package_hash("echokit.data.video"),
                "libraries": _libraries(),
                **(_reader_identity(reader) if reader else {}),
            }
        )
        return self.folder / key[:2] / f"{key}.safetensors"

    def prepare(
        self,
        sources: Sequence[VideoSource | tuple[str, Path]],
        steps: Sequence[Step],
        *,
        verify: bool = False,
        workers: int | None = None,
    ) -> Preparation:
        """Prepare videos in parallel; clips in the store are reused.

        A clip whose file changed in size or time since it was last verified is verified again, and prepared again if
        it is damaged. A clip that is damaged while in use is prepared again then, if its video gives the same bits.

        Args:
            sources: (case_id, path of the video), and what the steps may know of the case.
            steps: From ``steps_of``.
            verify: Verify every clip, even if its size and time are unchanged: a disk can lose bits silently.
            workers: Processes; one per available core by default. With 1 no process is started, and a decoder that
                crashes ends the program.

        Raises:
            EchokitError: A step failed for another reason than the video.
        """
        remove_stale_drafts(self.folder)
        videos = [VideoSource(*source) for source in sources]
        failed: dict[int, Failure] = {}
        readers = [plugin_reader(video.path) for video in videos]
        done = {} if verify else self._stored(videos, steps, readers)
        rest = [row for row in range(len(videos)) if row not in done]
        with display().task("Preparing videos", len(videos)) as advance:
            advance(len(done))
            for row, outcome in self._outcomes(videos, rest, steps, workers):
                if isinstance(outcome, Failure):
                    failed[row] = outcome
                else:
                    done[row] = outcome
                advance(1)
        rows = sorted(done)
        contents = tuple(done[row].content for row in rows)
        paths = [self.path(done[row].content, steps, videos[row].case, readers[row]) for row in rows]
        origins = {path: videos[row] for path, row in zip(paths, rows, strict=True)}
        clips = PreparedClips(paths, _ClipRepair(self, tuple(steps), origins, display().show_message))
        new = set(rest)
        cache_hashes(
            {path: head["sum"] for row, path, head in zip(rows, paths, clips.headers, strict=True) if row in new}
        )
        failures = tuple(failed[row] for row in sorted(failed))
        made, damaged = sum(clip.made for clip in done.values()), sum(clip.damaged for clip in done.values())
        used = sorted({one for row in rows if (one := readers[row])}, key=lambda one: one.full_name)
        return Preparation(np.array(rows, np.int64), clips, contents, failures, made, damaged, tuple(used))

    def _stored(
        self, sources: Sequence[VideoSource], steps: Sequence[Step], readers: Sequence[Component | None]
    ) -> dict[int, _Done]:
        """Find the rows whose clips are stored and unchanged since the last check."""
        contents = cached_hashes([source.path for source in sources])
        paths = {
            row: self.path(content, steps, sources[row].case, readers[row])
            for row, content in enumerate(contents)
            if content is not None
        }
        sums = dict(zip(paths, cached_hashes(list(paths.values())), strict=True))
        return {
            row: _Done(str(contents[row]))
            for row, path in paths.items()
            if (header := read_header(path)) is not None and header["sum"] == sums[row]
        }

    def _outcomes(
        self, sources: Sequence[VideoSource], rows: Sequence[int], steps: Sequence[Step], workers: int | None
    ) -> Iterator[tuple[int, _Done | Failure]]:
        work = partial(self._prepare_one, tuple(steps))
        if workers == 1:
            yield from ((row, work(sources[row])) for row in rows)
            return
        with closing(map_unordered(work, [sources[row] for row in rows], workers=workers)) as results:
            for number, outcome in results:
                row = rows[number]
                yield (
                    row,
                    Failure(sources[row].case_id, outcome.reason) if isinstance(outcome, WorkerFailure) else outcome,
                )

    def _prepare_one(self, steps: Sequence[Step], source: VideoSource) -> _Done | Failure:
        case_id, video, case = source.case_id, source.path, source.case
        try:
            content = content_hash(video)
        except VideoError as error:
            return Failure(case_id, error.message)
        except OSError as error:
            return Failure(case_id, f"the file cannot be read: {error.strerror}")
        try:
            path = self.path(content, steps, case, plugin_reader(video))
            exists = path.exists()
            if exists and is_intact(path):
                return _Done(content)
            decoded = decode(video, steps)
            seen = describe(decoded)
            assert seen.look is not None
            clip, mask = apply_steps(decoded, steps, case)
            write_clip(path, clip, mask, Shown(seen.content, seen.look, seen.change))
        except VideoError as error:
            return Failure(case_id, error.message)
        return _Done(content, made=True, damaged=exists)


@dataclass(frozen=True)
class _Done:
    """A clip in the store: whether it was prepared now, or repaired."""

    content: str
    made: bool = False
    damaged: bool = False


@dataclass(frozen=True)
class _ClipRepair:
    """Prepares damaged clips again from their videos, with a message."""

    store: ClipStore
    steps: tuple[Step, ...]
    sources: Mapping[Path, VideoSource]
    show_message: Callable[[str], None]

    def __call__(self, path: Path, header: Mapping[str, Any]) -> None:
        source = self.sources[path]
        case_id, done = source.case_id, self.store._prepare_one(self.steps, source)
        if isinstance(done, Failure):
            reason = done.reason
        elif self.store.path(done.content, self.steps, source.case, plugin_reader(source.path)) != path:
            reason = "the video has changed"
        elif read_header(path) != header:
            reason = "its video gives other bits now (another machine?)"
        else:
            self.show_message(
                f"{case_id}: its prepared clip was damaged or missing (a failing disk?) and was prepared again, "
                "with the same bits"
            )
            return
        raise DataError(
            f"the prepared clip was damaged or missing (a failing disk?), and cannot be prepared again: {reason}",
            hint="echokit data prepare RECIPE verifies every clip",
            where=case_id,
            code="clip.not_recreated",
        )
