"""Write report.html, at the end of a run or again from its directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from echokit.errors import DataError, EchokitError
from echokit.pipeline.cohort_stage import load_cohort, prepare_clips
from echokit.pipeline.prepared_cohort import PreparedCohort
from echokit.recipe.recipe import Recipe
from echokit.results.page.cine_loops import MOST_FRAMES, Shown, Source
from echokit.results.page.page_content import PageSettings
from echokit.results.page.write_page import write_page
from echokit.results.run import Run, changed_files, read_notes
from echokit.results.run_directories import runs_folder
from echokit.results.summary.division import division_of, tried_configurations
from echokit.system.exhausted import describe_exhausted
from echokit.system.phantom_mark import all_phantom
from echokit.system.progress import display

if TYPE_CHECKING:
    from echokit.pipeline.fold_plan import FoldPlan

CONTROL_MASKS = ("no_mask", "random_mask")
"""Masks that ignore the content of the image: names of patients may remain visible."""


def try_report(plan: FoldPlan, run: Run) -> None:
    """Write the report of a run that has just finished; a defect is only shown.

    Raises:
        EchokitError: The disk is full, or memory ran out.
    """
    if not plan.recipe.report.page:
        return
    try:
        write_report(run, frames_of(plan.dataset) if _shows_no_patient(plan.dataset) else None)
    except Exception as error:
        unwritten = isinstance(error, EchokitError) and error.code == "report.not_writable"
        failed = error if unwritten else describe_exhausted(error)
        if isinstance(failed, EchokitError):
            raise EchokitError(
                f"{failed.message}; all else of the run is complete",
                hint=f"echokit report {run.path} writes it",
                where=failed.where or str(run.path),
                code="report.not_writable",
            ) from error
        message = str(error) if isinstance(error, EchokitError) else f"{type(error).__name__}: {error}"
        display().show_message(f"report.html was not written: {message}; echokit report {run.path} tries again")


def report(run: Run, *, frames: bool = False) -> Path:
    """Write the report of a finished run again.

    Args:
        run: The run.
        frames: Show frames of patients. If every video is a phantom's, frames are always shown.

    Raises:
        EchokitError: The run is unfinished, its data have changed, or the report cannot be written.
    """
    path = _write_again(run, frames=frames)
    for name in changed_files(run):  # the page does not show it
        display().show_message(f"WARNING: {run.path / name} is missing, or has changed since the run wrote it")
    return path


def _write_again(run: Run, *, frames: bool) -> Path:
    lock = run.lock
    if not (frames or lock.phantom) or not lock.recipe.report.cases:
        return write_report(run)
    if not lock.phantom:
        _require_mask(lock.recipe)
    dataset = prepare_clips(load_cohort(lock.recipe))
    if dataset.facts()["fingerprint"] != lock.content["data"]["fingerprint"]:
        raise DataError(
            "the data are not those of the run",
            hint="without --frames the report needs no data",
            code="lock.other_data",
        )
    if _shows_no_patient(dataset):
        return write_report(run, frames_of(dataset))
    if not frames:
        return write_report(run)
    _require_mask(lock.recipe)
    return write_report(run, frames_of(dataset, masked_only=True))


def _require_mask(recipe: Recipe) -> None:
    if not any(use.component.mask and use.name not in CONTROL_MASKS for use in recipe.preprocess):
        raise DataError(
            "the recipe has no mask, so frames may show names of patients",
            hint="add sector_mask or motion_mask to preprocess",
            code="report.no_mask",
        )


def _shows_no_patient(dataset: PreparedCohort) -> bool:
    """Return whether every video is a phantom's; a run is stamped if only one is."""
    return all_phantom(*map(Path, dataset.cases["source"]))


def write_report(run: Run, source: Source | None = None) -> Path:
    """Write report.html of a finished run.

    Args:
        run: The run.
        source: Gives the frames of a case; None shows none. The caller checks whether frames may be shown.

    Raises:
        EchokitError: The run is unfinished, or the report cannot be written.
    """
    if not run.complete:
        raise EchokitError(
            "the run has not finished",
            hint="echokit run ... --resume continues it",
            where=str(run.path),
            code="run.unfinished",
        )
    lock = run.lock
    settings = PageSettings(
        notes=read_notes(run),
        tried=tried_configurations(runs_folder(run), lock.content["data"]["fingerprint"]),
        division=division_of(lock),
        source=source,
        cases=lock.recipe.report.cases,
    )
    return write_page(run, settings)


def frames_of(dataset: PreparedCohort, *, masked_only: bool = False) -> Source:
    """Return the source of the prepared frames of each case.

    Args:
        dataset: Cases and clips.
        masked_only: Show no frames of a clip that its mask left unchanged.
    """
    rows = {case: row for row, case in enumerate(dataset.case_ids)}
    clips = dataset.clips

    def source(case_id: str) -> Shown | None:
        row = rows.get(case_id)
        if row is None:
            return None
        mask = clips.mask(row)
        if masked_only and (mask is None or mask.region.all()):
            return None
        frames = np.arange(min(int(clips.lengths[row]), MOST_FRAMES), dtype=np.int64)
        video, _ = clips.read(row, frames)["video"]
        rate = clips.headers[row].get("fps")
        return Shown(np.asarray(video[0], np.uint8), mask, None if rate is None else float(rate))

    return source
