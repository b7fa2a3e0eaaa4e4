"""Decode one video and apply every preprocessing step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from echokit.data.clips.clip_file import Mask
from echokit.data.video.clip import Clip
from echokit.errors import EchokitError, VideoError, location_in_package
from echokit.plugins.foreign_code import describe_exception
from echokit.plugins.registry import BUILT_IN


@dataclass(frozen=True)
class Step:
    """One preprocessing step, picklable for worker processes.

    Attributes:
        name: Name of the preprocessor.
        make: The preprocessor.
        mask: Whether it is a mask.
        identity: Hash of name, parameters and code.
        plugin: The plugin that registered it.
    """

    name: str
    make: Any
    mask: bool
    identity: str
    plugin: str = BUILT_IN

    def __call__(self, clip: Clip) -> Clip:
        """Apply the step.

        Raises:
            VideoError: The video cannot be used.
            EchokitError: The step is a plugin's and failed, or returned something other than a clip.
        """
        frames = clip.frames.view()
        frames.flags.writeable = False  # a change in place would go unnoticed: masks are compared with their input
        try:
            result = self.make(replace(clip, frames=frames))
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


def apply_steps(clip: Clip, steps: Sequence[Step]) -> tuple[Clip, Mask | None]:
    """Apply every step to a decoded clip.

    Raises:
        VideoError: A step cannot use it.
    """
    from echokit.data.preprocess.mask_region import mask_region

    mask = None
    for step in steps:
        before = clip
        clip = step(clip)
        if step.mask:
            mask = Mask(mask_region(before.frames, clip.frames), before.frames[len(before) // 2])
    return clip, mask
