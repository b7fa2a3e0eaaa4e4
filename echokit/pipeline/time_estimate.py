"""How long a training will take: a few clips are timed, and multiplied by what the folds have to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.data.cohort.cohort import SPLITS, Fold
from echokit.data.sampling.clip_table import clip_table, sample_windows
from echokit.data.sampling.windows import Windows
from echokit.pipeline.clip_seconds import ClipSeconds, clip_seconds, format_duration
from echokit.pipeline.fold_files import SCORES
from echokit.pipeline.fold_plan import FoldPlan
from echokit.pipeline.session import Session
from echokit.recipe.recipe import Recipe
from echokit.results.run import Run
from echokit.results.wording import count
from echokit.system.exhausted import is_out_of_memory

if TYPE_CHECKING:
    from echokit.training.phases import Phase


Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FoldWork:
    """The clips of one fold.

    Attributes:
        train: Training windows of an epoch.
        val: Validation windows of an epoch.
        scored: Windows that are scored after the training.
    """

    train: int
    val: int
    scored: int


def fold_work(recipe: Recipe, lengths: Integers, fold: Fold) -> FoldWork:
    """Count the windows of a fold.

    Args:
        recipe: Gives the windows.
        lengths: Frames of the clip of each case of the cohort.
        fold: The fold.
    """
    last, again = _windows(recipe, lengths, "val", fold.val), _windows(recipe, lengths, "test", fold.val)
    scored = len(fold.train) + len(_windows(recipe, lengths, "test", fold.test))
    if not again.same_as(last):
        scored += len(again)
    return FoldWork(len(_windows(recipe, lengths, "train", fold.train)), len(last), scored)


def shared_passes(recipe: Recipe, lengths: Integers, copies: int, *, validates: bool) -> int:
    """Count the windows of all cases that folds with one frozen backbone share.

    Args:
        recipe: Gives the windows.
        lengths: Frames of the clip of each case of the cohort.
        copies: Augmented copies of each training window.
        validates: Whether there are validation sets.
    """
    train, val, test = (len(_windows(recipe, lengths, split, np.arange(len(lengths)))) for split in SPLITS)
    return copies * train + test + (val if validates else 0)


def _windows(recipe: Recipe, lengths: Integers, split: str, rows: Integers) -> Windows:
    found = sample_windows(recipe.clip.build(), clip_table(lengths), split, 0, recipe.seed)
    return found.at(np.flatnonzero(np.isin(found.case, rows)))


def training_seconds(
    phases: Sequence[Phase], folds: Iterable[FoldWork], clip: ClipSeconds, *, shared: int | None = None
) -> float:
    """Compute how long some folds take, with all of their epochs.

    A phase that trains the head alone needs each clip once and is free afterwards.

    Args:
        phases: The phases of each fold.
        folds: The work of each fold.
        clip: Seconds of a clip.
        shared: Passes without gradients that all folds share, with a frozen backbone; the folds then need none.
    """
    if shared is not None:
        return shared * clip.score
    total = 0.0
    for work in folds:
        for phase in phases:
            if phase.head_only:
                total += (phase.copies * work.train + work.val) * clip.score
            else:
                total += phase.epochs * (work.train * clip.train[phase.name] + work.val * clip.score)
        total += work.scored * clip.score
    return total


def tell_duration(plan: FoldPlan, run: Run, session: Session) -> None:
    """Say how long the training will take at most, and what it consists of.

    Nothing is said of a search, whose heads train in no time, and if too little memory is left to measure.
    """
    folds = [fold for fold in plan.selected if not (plan.resume and (run.fold(fold.number) / SCORES).exists())]
    if plan.head_search is not None or not folds or not session.is_main:
        return
    recipe, lengths = plan.recipe, plan.dataset.clips.lengths
    phases = phases_of(plan, folds[0])
    clip = _measured(plan, folds[0], phases)
    if clip is None:
        return
    works = [fold_work(recipe, lengths, fold) for fold in folds]
    shared = None
    if plan.frozen is not None:
        copies, validates = max(phase.copies for phase in phases), any(len(fold.val) for fold in folds)
        shared = shared_passes(recipe, lengths, copies, validates=validates)
    seconds = training_seconds(phases, works, clip, shared=shared) / session.distributed.count
    early = "at most " if recipe.train.early_stop else ""
    epochs = f"{count(recipe.train.epochs, 'epoch')} with {count(works[0].train, 'clip')}"
    measured = f"measured: {max(clip.train.values(), default=clip.score):.2g} s a clip"
    session.warn(
        [
            f"training takes {early}about {format_duration(seconds)}: {count(len(folds), 'fold')} of {epochs}, and "
            f"scoring ({measured})"
        ]
    )


def phases_of(plan: FoldPlan, fold: Fold) -> tuple[Phase, ...]:
    """Plan the phases of a fold."""
    from echokit.training.phases import plan_phases

    return plan_phases(plan.recipe.train, norms_given=plan.weights is not None, cases=len(fold.train))


def _measured(plan: FoldPlan, fold: Fold, phases: Sequence[Phase]) -> ClipSeconds | None:
    """Time a clip; None if it cannot be computed, which the training explains."""
    try:
        return clip_seconds(plan.dataset, plan.spec, fold, plan.compute, phases)
    except (MemoryError, RuntimeError, ValueError) as error:
        if is_out_of_memory(error) or "more than 1 value per channel" in str(error):
            return None
        raise
