"""ClipStore: prepared clips on disk, found again by content, read without loading more than is asked for.

One safetensors file a clip. Its name is a hash of the video's content, of the code and parameters of every step that
made it, and of the libraries that decode and filter. So nothing stale is ever found, a killed build goes on where it
stopped, and two runs with the same preprocessing share their clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.check.videos import describe
from echokit.errors import EchokitError, VideoError
from echokit.fingerprint import code_hash, content_hash, digest, known_hashes
from echokit.prepared import Mask, PreparedClips, Shown, read_header, sweep, write_clip
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
        try:
            made = self.make(clip)
        except EchokitError:
            raise
        except Exception as error:
            if self.plugin == BUILT_IN:
                raise
            said = " ".join(str(error).split())
            raise EchokitError(
                f"the preprocessor {self.name!r} of the plugin {self.plugin!r} failed: {type(error).__name__}: {said}",
                hint=f"echokit plugin check {self.plugin} finds out more",
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
        module = use.component.target.partition(":")[0]
        identity = digest({"use": use.plain(), "plugin": use.component.plugin, "code": code_hash(module)})
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
    """

    rows: npt.NDArray[np.int64]
    clips: PreparedClips
    contents: tuple[str, ...]
    failures: tuple[Failure, ...]
    made: int

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
                "decoder": code_hash("echokit.video.reading"),
                "libraries": _libraries(),
            }
        )
        return self.folder / key[:2] / f"{key}.safetensors"

    def prepare(
        self, sources: Sequence[tuple[str, Path]], steps: Sequence[Step], *, workers: int | None = None
    ) -> Preparation:
        """Prepare videos in parallel; those already in the store are not made again.

        Args:
            sources: (case_id, path of the video).
            steps: From ``steps_of``.
            workers: Processes; one for each available core by default. 1 works in this one, where a decoder that
                crashes takes all along.

        Raises:
            EchokitError: A step failed in a way that is not the video's fault.
        """
        sweep(self.folder)
        failed: dict[int, Failure] = {}
        # What is there already is found here, without a process for it.
        done = {
            row: (content, False)
            for row, content in enumerate(known_hashes([path for _, path in sources]))
            if content is not None and read_header(self.path(content, steps)) is not None
        }
        rest = [row for row in range(len(sources)) if row not in done]
        with display().task("Preparing videos", len(sources)) as advance:
            advance(len(done))
            for row, outcome in self._outcomes(sources, rest, steps, workers):
                if isinstance(outcome, Failure):
                    failed[row] = outcome
                else:
                    done[row] = outcome
                advance(1)
        rows = np.array(sorted(done), np.int64)
        contents = tuple(done[row][0] for row in sorted(done))
        clips = PreparedClips([self.path(content, steps) for content in contents])
        failures = tuple(failed[row] for row in sorted(failed))
        return Preparation(rows, clips, contents, failures, sum(made for _, made in done.values()))

    def _outcomes(
        self, sources: Sequence[tuple[str, Path]], rows: Sequence[int], steps: Sequence[Step], workers: int | None
    ) -> Iterator[tuple[int, tuple[str, bool] | Failure]]:
        work = partial(self._prepare_one, tuple(steps))
        if workers == 1:
            yield from ((row, work(sources[row])) for row in rows)
            return
        with closing(spread(work, [sources[row] for row in rows], workers=workers)) as results:
            for number, outcome in results:
                row = rows[number]
                yield row, Failure(sources[row][0], outcome.reason) if isinstance(outcome, Lost) else outcome

    def _prepare_one(self, steps: Sequence[Step], source: tuple[str, Path]) -> tuple[str, bool] | Failure:
        case_id, path = source
        try:
            try:
                content = content_hash(path)
            except OSError as error:
                return Failure(case_id, f"the file can not be read: {error.strerror}")
            place = self.path(content, steps)
            if read_header(place) is not None:
                return content, False
            decoded = decode(path, steps)
            seen = describe(decoded)
            assert seen.look is not None
            clip, mask = apply_steps(decoded, steps)
            write_clip(place, clip, mask, Shown(seen.content, seen.look, seen.change))
        except VideoError as error:
            return Failure(case_id, error.message)
        except EchokitError:
            raise
        return content, True
