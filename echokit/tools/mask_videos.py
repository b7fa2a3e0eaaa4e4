"""Masked videos with overlay pictures, for a person to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from echokit.data.clips.clip_store import steps_of
from echokit.data.clips.prepare_video import Step
from echokit.data.cohort.pseudonyms import case_ids, file_notes
from echokit.data.preprocess.mask_region import KEPT
from echokit.data.video.find import expand, split_videos
from echokit.data.video.write import USUAL_FPS
from echokit.errors import EchokitError, VideoError
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.discovery import installed
from echokit.plugins.parameters import InvalidParameters, validate
from echokit.recipe.compose import apply_override
from echokit.recipe.tree import Node, Origin
from echokit.system.progress import display

if TYPE_CHECKING:
    import pandas as pd


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


@dataclass(frozen=True)
class MaskedVideos:
    """The results for some videos.

    Attributes:
        out: Folder of the masked videos.
        files: The videos.
        rows: The result for each.
        others: How many files are not videos.
        keep_unmasked: Whether a video was written if the mask removes nothing.
    """

    out: Path
    files: tuple[Path, ...]
    rows: tuple[Masked, ...]
    others: int
    keep_unmasked: bool

    @property
    def failed(self) -> int:
        """How many videos could not be masked."""
        return sum(row.problem is not None for row in self.rows)

    @property
    def damaged(self) -> int:
        """How many videos lack frames."""
        return sum(row.damaged for row in self.rows)

    @property
    def unmasked(self) -> int:
        """Of how many videos the mask removes nothing."""
        return sum(row.unmasked for row in self.rows)

    @property
    def masked(self) -> int:
        """How many videos are masked."""
        return len(self.rows) - self.failed - self.unmasked

    @property
    def whole(self) -> bool:
        """Whether every video was masked, from all its frames, or written as was asked."""
        return bool(self.masked) and not (self.failed or self.damaged or (self.unmasked and not self.keep_unmasked))

    @property
    def table(self) -> pd.DataFrame:
        """One row a video: share kept, the masked video or the problem."""
        import pandas as pd

        rows = []
        for row in self.rows:
            written = row.problem is None and (self.keep_unmasked or not row.unmasked)
            rows.append(
                {
                    "case_id": row.case_id,
                    "kept": None if row.problem else row.kept,
                    "unmasked": row.unmasked,
                    "damaged": row.damaged,
                    "notes": "; ".join(row.notes),
                    "problem": row.problem,
                    "video": str(self.out / f"{row.case_id}.avi") if written else None,
                }
            )
        return pd.DataFrame(rows, dtype=object).astype({"kept": "float64", "unmasked": bool, "damaged": bool})

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known about the files."""
        notes = file_notes([row.case_id for row in self.rows], self.files, self.others)
        of_all = f"of {len(self.rows)} videos"
        if self.unmasked:
            keep = self.keep_unmasked
            written = "written as they are" if keep else "not written (--keep-unmasked writes them as they are)"
            notes.append(f"{self.unmasked} {of_all} have nothing to mask: {written}")
        if self.failed:
            notes.append(f"{self.failed} {of_all} could not be masked")
        if self.damaged:
            notes.append(f"{self.damaged} {of_all} are damaged; their readable frames were masked")
        return tuple(notes)


def mask_sources(sources: Sequence[str], step: Step, out: Path, *, keep_unmasked: bool = False) -> MaskedVideos:
    """Mask all videos of some files and folders, as ``mask_videos`` does.

    The display shows progress, and the result for each video.

    Args:
        sources: AVI, MP4 and DICOM files, and folders of them.
        step: A mask, from ``masking_step``.
        out: Folder to write to.
        keep_unmasked: Write also a video of which the mask removes nothing.

    Raises:
        EchokitError: A source is missing or has no video, or the folder cannot be written.
    """
    files, others = split_videos(expand(sources))
    pairs = list(zip(case_ids(files), files, strict=True))
    rows = []
    with display().task("Masking videos", len(files)) as advance:
        masked = mask_videos(pairs, step, out, keep_unmasked=keep_unmasked)
        for path, row in zip(files, masked, strict=True):
            rows.append(row)
            advance(1)
            display().show_message(f"{row.case_id}: {_result(row, keep_unmasked)}")
            if row.problem:
                display().show_files([(row.case_id, path)])
    return MaskedVideos(out, tuple(files), tuple(rows), others, keep_unmasked)


def _result(row: Masked, keep_unmasked: bool) -> str:
    if row.problem:
        return f"not masked: {row.problem}"
    notes = f" ({'; '.join(row.notes)})" if row.notes else ""
    if row.unmasked:
        return f"nothing to mask: {'written as it is' if keep_unmasked else 'not written'}{notes}"
    return f"{KEPT.format(row.kept)}{notes}"


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
