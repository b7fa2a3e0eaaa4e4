"""Masked videos with overlay pictures, for a person to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from echokit.data.clips.clip_store import steps_of
from echokit.data.clips.prepare_video import Step
from echokit.data.video.write import USUAL_FPS
from echokit.errors import EchokitError, VideoError
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.discovery import installed
from echokit.plugins.parameters import InvalidParameters, validate
from echokit.recipe.compose import apply_override
from echokit.recipe.tree import Node, Origin


@dataclass(frozen=True)
class Masked:
    """Result for one video: the share kept, or the problem.

    Attributes:
        case_id: Name of the case.
        kept: Share of what is not black.
        notes: What was noted on the way.
        damaged: Whether it lacks frames.
        problem: Why it was not masked.
        unmasked: Whether the mask removed nothing, text and names included.
    """

    case_id: str
    kept: float = 0.0
    notes: tuple[str, ...] = ()
    damaged: bool = False
    problem: str | None = None
    unmasked: bool = False


def masking_step(method: str, settings: Sequence[str]) -> Step:
    """Make a masking preprocessor by name.

    Args:
        method: A preprocessor that was registered as a mask.
        settings: ``key=value`` each.

    Raises:
        EchokitError: It is not a mask, or a parameter does not fit.
    """
    component = installed().registry.get("preprocessor", method)
    if not component.mask:
        masks = [c.name for c in installed().registry.components(["preprocessor"]) if c.mask]
        raise EchokitError(
            f"{method!r} does not mask",
            hint=f"the masks are {', '.join(masks)}",
            where="--method",
            code="mask.not_a_mask",
        )
    tree = Node({}, Origin("--set"))
    for text in settings:
        tree = apply_override(tree, text)
    try:
        values = validate(component.parameters(), tree.plain())
    except InvalidParameters as invalid:
        first = invalid.problems[0]
        problems = "; ".join(f"{'.'.join(map(str, p.place))}: {p.message}" for p in invalid.problems)
        raise EchokitError(problems, hint=first.hint, where="--set", code=first.code) from None
    return steps_of([ComponentConfig(component, values)])[0]


def mask_videos(
    sources: Sequence[tuple[str, Path]], step: Step, out: Path, *, keep_unmasked: bool = False
) -> Iterator[Masked]:
    """Write ``CASE.avi`` and ``CASE.png`` for every video.

    One that cannot be used affects its own row only.

    Args:
        sources: (case_id, path) each.
        step: A mask.
        out: Folder to write to.
        keep_unmasked: Write also a video of which the mask removes nothing.

    Raises:
        EchokitError: The folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EchokitError(
            f"the folder cannot be made: {error.strerror}", where=str(out), code="file.not_writable"
        ) from None
    for case_id, path in sources:
        try:
            yield _mask_one(case_id, path, step, out, keep_unmasked)
        except VideoError as error:
            yield Masked(case_id, problem=error.message)


def _mask_one(case_id: str, path: Path, step: Step, out: Path, keep_unmasked: bool) -> Masked:
    from echokit.data.preprocess.mask_region import lit_and_kept, mask_region, write_picture
    from echokit.data.video.read import read_video
    from echokit.data.video.write import write_video

    before = read_video(path)
    after = step(before)
    region = mask_region(before.frames, after.frames)
    unmasked = bool(region.all())
    if unmasked and not keep_unmasked:
        return Masked(case_id, 1.0, after.notes, before.damaged, unmasked=True)
    write_video(out / f"{case_id}.avi", after.frames, before.fps or USUAL_FPS)
    write_picture(out / f"{case_id}.png", before.frames, after.frames, region)
    notes = after.notes if before.fps else (*after.notes, f"no frame rate in the file: written at {USUAL_FPS:g}/s")
    return Masked(case_id, lit_and_kept(before.frames, region), notes, before.damaged, unmasked=unmasked)
