"""Decode one video and apply every preprocessing step."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from echokit.data.clips.clip_file import Mask
from echokit.data.video.clip import Clip
from echokit.errors import EchokitError, VideoError, location_in_package
from echokit.plugins.component import BUILT_IN
from echokit.plugins.foreign_code import describe_exception

NO_CASE: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Step:
    """One preprocessing step, picklable for worker processes.

    Attributes:
        name: Name of the preprocessor.
        make: The preprocessor.
        mask: Whether it is a mask.
        identity: Hash of name, parameters and code.
        plugin: The plugin that registered it.
        columns: Columns of the cohort that it sees of the case of the video.
    """

    name: str
    make: Any
    mask: bool
    identity: str
    plugin: str = BUILT_IN
    columns: tuple[str, ...] = ()

    def __call__(self, clip: Clip, case: Mapping[str, Any] = NO_CASE) -> Clip:
        """Apply the step.

        Args:
            clip: The clip.
            case: Values of the case of the video by column; a column that is not there is None.

        Raises:
            VideoError: The video cannot be used.
            EchokitError: The step is a plugin's and failed, or returned something other than a clip.
        """
        frames = clip.frames.view()
        frames.flags.writeable = False  # a change in place would go unnoticed: masks are compared with their input
        try:
            known = ({name: case.get(name) for name in self.columns},) if self.columns else ()
            result = self.make(replace(clip, frames=frames), *known)
        except (EchokitError, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit as well
            if self.plugin == BUILT_IN:
                raise
            raise EchokitError(
                f"the preprocessor {self.name!r} of the plugin {self.plugin!r} failed: {describe_exception(error)}",
                hint=f"fix or uninstall it; echokit plugin check {self.plugin} runs all checks",
                where=location_in_package(error, type(self.make).__module__.partition(".")[0]),
                code="plugin.failed",
            ) from error
        if not isinstance(result, Clip):
            raise EchokitError(
                f"the preprocessor {self.name!r} of the plugin {self.plugin!r} returned {type(result).__name__}, "
                "not a Clip",
                hint="return dataclasses.replace(clip, frames=...)",
                code="plugin.wrong_result",
            )
        empty = [name for name, stream in result.streams.items() if not stream.data.size]
        if empty or not result.frames.size:
            raise VideoError(
                f"{self.name} leaves no {empty[0] if empty else 'frame'} of a clip of {len(clip)} frame(s)",
                hint=f"leave the video out, or remove {self.name} from the recipe",
                code="clip.too_short",
            )
        return result


def columns_of(preprocessor: Any) -> tuple[str, ...]:
    """Return the columns of the cohort that a preprocessor asks for.

    It is then called as ``(clip, case)``, with these values of the case of the video.

    Raises:
        EchokitError: It has a second parameter, and does not say which columns it needs.
    """
    if not callable(preprocessor) or len(inspect.signature(preprocessor).parameters) < 2:
        return ()  # what cannot be called is reported with its first video
    columns = getattr(preprocessor, "columns", ())
    if not isinstance(columns, tuple) or not columns or not all(isinstance(name, str) for name in columns):
        raise EchokitError(
            f"{type(preprocessor).__name__} is called with a case, and does not say which columns it needs",
            hint='write columns = ("age",) in the class',
            where="preprocess",
            code="preprocess.no_columns",
        )
    return columns


def prepare_video(path: Path, steps: Sequence[Step]) -> tuple[Clip, Mask | None]:
    """Decode one video and apply every step.

    Raises:
        VideoError: The video cannot be read or a step cannot use it.
    """
    return apply_steps(decode(path, steps), steps)


def decode(path: Path, steps: Sequence[Step]) -> Clip:
    """Decode the frames of a video that the steps use.

    Raises:
        VideoError: The video cannot be read.
    """
    from echokit.data.preprocess.trim import Trim
    from echokit.data.video.read import read_video

    limit = steps[0].make.frames if steps and isinstance(steps[0].make, Trim) else None
    return read_video(path, frames=limit)


def apply_steps(clip: Clip, steps: Sequence[Step], case: Mapping[str, Any] = NO_CASE) -> tuple[Clip, Mask | None]:
    """Apply every step to a decoded clip.

    Args:
        clip: The clip.
        steps: The steps.
        case: What is known of its case, by column of the cohort.

    Raises:
        VideoError: A step cannot use it.
    """
    from echokit.data.preprocess.mask_region import mask_region

    mask = None
    for step in steps:
        before = clip
        clip = step(clip, case)
        if step.mask:
            mask = Mask(mask_region(before.frames, clip.frames), before.frames[len(before) // 2])
    return clip, mask
