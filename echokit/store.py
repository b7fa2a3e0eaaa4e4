"""ClipStore: prepared clips on disk, found again by content, read without loading more than is asked for.

One safetensors file a clip. Its name is a hash of the video's content, of the code and parameters of every step that
made it, and of the libraries that decode and filter. So nothing stale is ever found, a killed build goes on where it
stopped, and two runs with the same preprocessing share their clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.check.videos import describe
from echokit.errors import DataError, EchokitError, VideoError, place_within
from echokit.fingerprint import content_hash, digest, known_hashes, package_hash, remember
from echokit.prepared import Mask, PreparedClips, Shown, is_whole, read_header, sweep, write_clip
from echokit.progress import display
from echokit.recipe.recipe import Use
from echokit.registry import BUILT_IN
from echokit.video.clip import Clip
from echokit.workers import Lost, spread

FORMAT = 4
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
class Step:
    """One preprocessing step, ready to be sent to another process.

    Attributes:
        name: Name of the preprocessor.
        make: The preprocessor.
        mask: Whether it blanks a region.
        identity: Name, parameters and code hash.
        plugin: The plugin that it comes from.
    """

    name: str
    make: Any
    mask: bool
    identity: str
    plugin: str = BUILT_IN

    def __call__(self, clip: Clip) -> Clip:
        """Apply the step.

        Raises:
            VideoError: The video can not be used.
            EchokitError: The step is a plugin's and failed, or gave something else than a clip.
        """
        frames = clip.frames.view()
        frames.flags.writeable = False  # a step that writes into its input would seem to have changed nothing
        try:
            made = self.make(replace(clip, frames=frames))
        except EchokitError:
            raise
        except Exception as error:
            if self.plugin == BUILT_IN:
                raise
            said = " ".join(str(error).split())
            raise EchokitError(
                f"the preprocessor {self.name!r} of the plugin {self.plugin!r} failed: {type(error).__name__}: {said}",
                hint=f"mend or uninstall it; echokit plugin check {self.plugin} runs all checks",
                where=place_within(error, type(self.make).__module__.partition(".")[0]),
            ) from error
        if not isinstance(made, Clip):
            raise EchokitError(
                f"the preprocessor {self.name!r} of the plugin {self.plugin!r} gave {type(made).__name__}, not a Clip",
                hint="return dataclasses.replace(clip, frames=...)",
            )
        return made


@dataclass(frozen=True)
class Failure:
    """A video that could not be prepared, and why."""

    case_id: str
    reason: str


def steps_of(preprocess: Sequence[Use]) -> tuple[Step, ...]:
    """Make the steps of a recipe."""
    steps = []
    for use in preprocess:
        code = use.component.code_hash()
        identity = digest({"use": use.plain(), "plugin": use.component.plugin, "code": code})
        steps.append(Step(use.name, use.build(), use.component.mask, identity, use.component.plugin))
    return tuple(steps)


def prepare_video(path: Path, steps: Sequence[Step]) -> tuple[Clip, Mask | None]:
    """Decode one video and apply every step.

    Raises:
        VideoError: The video can not be read or a step can not use it.
    """
    return apply_steps(decode(path, steps), steps)


def decode(path: Path, steps: Sequence[Step]) -> Clip:
    """Decode as many frames of a video as the steps use.

    Raises:
        VideoError: The video can not be read.
    """
    from echokit.preprocess.trim import Trim
    from echokit.video.reading import read_video

    limit = steps[0].make.frames if steps and isinstance(steps[0].make, Trim) else None
    return read_video(path, frames=limit)


def apply_steps(clip: Clip, steps: Sequence[Step]) -> tuple[Clip, Mask | None]:
    """Apply every step to a decoded clip.

    Raises:
        VideoError: A step can not use it.
    """
    from echokit.preprocess.mask_region import mask_region

    mask = None
    for step in steps:
        before = clip
        clip = step(clip)
        if step.mask:
            mask = Mask(mask_region(before.frames, clip.frames), before.frames[len(before) // 2])
    return clip, mask


@dataclass(frozen=True)
class Preparation:
    """What became of a cohort's videos.

    Attributes:
        rows: (n,) int64 rows of the cohort that could be prepared, in order.
        clips: Their prepared clips.
        contents: Content hash of each prepared video's file.
        failures: The other rows, with the reason.
        made: How many were made now; the others were found in the store.
        damaged: How many of those made now lay in the store, but had changed since they were written.
    """

    rows: npt.NDArray[np.int64]
    clips: PreparedClips
    contents: tuple[str, ...]
    failures: tuple[Failure, ...]
    made: int
    damaged: int

    @property
    def changed(self) -> int:
        """How many clips had changed on disk and were made anew, before or while they were used."""
        return self.damaged + len(self.clips.remade)

    def notes(self) -> dict[str, int]:
        """What was noted about the clips, counted."""
        counts: dict[str, int] = {}
        for header in self.clips.headers:
            for note in header["notes"]:
                counts[note] = counts.get(note, 0) + 1
        return counts


@cache
def _libraries() -> dict[str, str]:
    return {name: version(name) for name in DECODING_LIBRARIES}


@dataclass(frozen=True)
class ClipStore:
    """Prepared clips under one folder."""

    folder: Path

    def path(self, content: str, steps: Sequence[Step]) -> Path:
        """Where the clip made from a video of this content by these steps lies."""
        key = digest(
            {
                "format": FORMAT,
                "content": content,
                "steps": [step.identity for step in steps],
                "decoder": package_hash("echokit.video"),
                "libraries": _libraries(),
            }
        )
        return self.folder / key[:2] / f"{key}.safetensors"

    def prepare(
        self,
        sources: Sequence[tuple[str, Path]],
        steps: Sequence[Step],
        *,
        verify: bool = False,
        workers: int | None = None,
    ) -> Preparation:
        """Prepare videos in parallel; those already in the store are not made again.

        A clip whose file has another size or time than when it was last seen whole is read through, and made again
        where it is damaged. One that changes while it is used is made again then, where its video gives the same.

        Args:
            sources: (case_id, path of the video).
            steps: From ``steps_of``.
            verify: Read every clip through, also those that seem as they were: bits can go without a trace.
            workers: Processes; one for each available core by default. 1 works in this one, where a decoder that
                crashes takes all along.

        Raises:
            EchokitError: A step failed in a way that is not the video's fault.
        """
        sweep(self.folder)
        failed: dict[int, Failure] = {}
        # What is there already is found here, without a process for it.
        done = {} if verify else self._found(sources, steps)
        rest = [row for row in range(len(sources)) if row not in done]
        with display().task("Preparing videos", len(sources)) as advance:
            advance(len(done))
            for row, outcome in self._outcomes(sources, rest, steps, workers):
                if isinstance(outcome, Failure):
                    failed[row] = outcome
                else:
                    done[row] = outcome
                advance(1)
        rows = sorted(done)
        contents = tuple(done[row].content for row in rows)
        paths = [self.path(content, steps) for content in contents]
        origins = {path: sources[row] for path, row in zip(paths, rows, strict=True)}
        clips = PreparedClips(paths, _Remaking(self, tuple(steps), origins, display().say))
        new = set(rest)
        remember({path: head["sum"] for row, path, head in zip(rows, paths, clips.headers, strict=True) if row in new})
        failures = tuple(failed[row] for row in sorted(failed))
        made, damaged = sum(one.made for one in done.values()), sum(one.damaged for one in done.values())
        return Preparation(np.array(rows, np.int64), clips, contents, failures, made, damaged)

    def _found(self, sources: Sequence[tuple[str, Path]], steps: Sequence[Step]) -> dict[int, _Done]:
        """The rows whose clips lie in the store, as they were when they were last seen whole."""
        contents = known_hashes([path for _, path in sources])
        places = {row: self.path(content, steps) for row, content in enumerate(contents) if content is not None}
        sums = dict(zip(places, known_hashes(list(places.values())), strict=True))
        return {
            row: _Done(str(contents[row]))
            for row, place in places.items()
            if (header := read_header(place)) is not None and header["sum"] == sums[row]
        }

    def _outcomes(
        self, sources: Sequence[tuple[str, Path]], rows: Sequence[int], steps: Sequence[Step], workers: int | None
    ) -> Iterator[tuple[int, _Done | Failure]]:
        work = partial(self._prepare_one, tuple(steps))
        if workers == 1:
            yield from ((row, work(sources[row])) for row in rows)
            return
        with closing(spread(work, [sources[row] for row in rows], workers=workers)) as results:
            for number, outcome in results:
                row = rows[number]
                yield row, Failure(sources[row][0], outcome.reason) if isinstance(outcome, Lost) else outcome

    def _prepare_one(self, steps: Sequence[Step], source: tuple[str, Path]) -> _Done | Failure:
        case_id, path = source
        try:
            try:
                content = content_hash(path)
            except OSError as error:
                return Failure(case_id, f"the file can not be read: {error.strerror}")
            place = self.path(content, steps)
            there = place.exists()
            if there and is_whole(place):
                return _Done(content)
            decoded = decode(path, steps)
            seen = describe(decoded)
            assert seen.look is not None
            clip, mask = apply_steps(decoded, steps)
            write_clip(place, clip, mask, Shown(seen.content, seen.look, seen.change))
        except VideoError as error:
            return Failure(case_id, error.message)
        except EchokitError:
            raise
        return _Done(content, made=True, damaged=there)


@dataclass(frozen=True)
class _Done:
    """A clip that lies in the store, and whether it was made now, instead of a damaged one."""

    content: str
    made: bool = False
    damaged: bool = False


@dataclass(frozen=True)
class _Remaking:
    """Makes clips anew from their videos, and says so."""

    store: ClipStore
    steps: tuple[Step, ...]
    sources: Mapping[Path, tuple[str, Path]]
    say: Callable[[str], None]

    def __call__(self, path: Path, header: Mapping[str, Any]) -> None:
        case_id, source = self.sources[path]
        done = self.store._prepare_one(self.steps, (case_id, source))
        if isinstance(done, Failure):
            why = done.reason
        elif self.store.path(done.content, self.steps) != path:
            why = "the video is another than it was"
        elif read_header(path) != header:
            why = "its video gives other bits now (another machine?)"
        else:
            self.say(
                f"{case_id}: its prepared clip had changed or gone (a failing disk?) and was made anew, the same bits"
            )
            return
        raise DataError(
            f"the prepared clip had changed or gone (a failing disk?), and can not be made anew: {why}",
            hint="echokit data prepare RECIPE looks at every clip",
            where=case_id,
        )
