"""report.html at the end of a run, or made again from its directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from echokit.errors import EchokitError
from echokit.page.loops import MOST_FRAMES, Shown, Source
from echokit.page.write import write_page
from echokit.results import division_of, tried_configurations
from echokit.run_directory import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from echokit.prepared import PreparedClips

NOTES = "## Notes and warnings"


def make_report(run: Run, source: Source | None = None) -> Path:
    """Write the report of a finished run.

    Args:
        run: The run.
        source: Gives the frames of a case; None shows none. Whether frames may be shown is the caller's to decide:
            those of phantoms always, those of patients where the user asked for them.

    Raises:
        EchokitError: The run is not finished, or the report can not be written.
    """
    if not run.complete:
        raise EchokitError(
            "the run has not finished", hint="echokit run ... --resume goes on with it", where=str(run.path)
        )
    lock = run.lock
    return write_page(
        run,
        notes=notes_of(run),
        tried=tried_configurations(run.path.parent.parent, lock.content["data"]["fingerprint"]),
        division=division_of(lock),
        source=source,
        cases=lock.recipe.report.cases,
    )


def notes_of(run: Run) -> list[str]:
    """The notes and warnings that stand in a run's summary."""
    text = (run.path / "summary.md").read_text(encoding="utf-8")
    part = text.partition(NOTES)[2].partition("\n## ")[0]
    return [line.removeprefix("- ") for line in part.splitlines() if line.startswith("- ")]


def frames_of(cases: Sequence[str], clips: PreparedClips, *, masked_only: bool = False) -> Source:
    """What can be shown of each case: its prepared frames.

    Args:
        cases: case_id of each clip.
        clips: In the same order.
        masked_only: Show nothing of a clip that its mask let through whole.
    """
    place = {case: number for number, case in enumerate(cases)}

    def source(case_id: str) -> Shown | None:
        number = place.get(case_id)
        if number is None:
            return None
        mask = clips.mask(number)
        if masked_only and (mask is None or mask.region.all()):
            return None
        frames = np.arange(min(int(clips.lengths[number]), MOST_FRAMES), dtype=np.int64)
        video, _ = clips.read(number, frames)["video"]
        rate = clips.headers[number].get("fps")
        return Shown(np.asarray(video[0], np.uint8), mask, None if rate is None else float(rate))

    return source
