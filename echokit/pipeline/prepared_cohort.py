"""The cohort as it passes through a run: first with labels, then with prepared clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from echokit.data.clips.clip_store import Preparation
from echokit.data.cohort.cohort import SPLITS, Cohort, Fold
from echokit.data.cohort.targets import Targets
from echokit.data.sampling.clip_table import ClipTable, clip_table, moved_frames, sample_windows, takes_clips
from echokit.data.sampling.windows import Windows
from echokit.data.splits.stratify import numbered
from echokit.errors import DataError, EchokitError
from echokit.recipe.recipe import Recipe
from echokit.system.hashing import digest

if TYPE_CHECKING:
    import pandas as pd

    from echokit.data.clips.prepared_clips import PreparedClips


Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelledCohort:
    """A cohort with the class of every case; no video has been opened.

    Attributes:
        recipe: As it runs: with its fallback in place if the dataset is missing.
        cohort: Its cases, with the column ``y_true``.
        targets: What the model learns, in the order of the cases.
        changed: Settings in which the fallback differs from the recipe; empty without a fallback.
    """

    recipe: Recipe
    cohort: Cohort
    targets: Targets
    changed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, kw_only=True)

    @cached_property
    def patients(self) -> npt.NDArray[Any]:
        """(cases,) patient of each case."""
        return self.cohort.cases["patient_id"].to_numpy()

    def draw_folds(self) -> tuple[Fold, ...]:
        """Split the cohort by the resampler of the recipe.

        Raises:
            DataError: The cohort cannot be split in this way, or two folds have one number.
        """
        folds = tuple(numbered(self.recipe.resample.build()(self.cohort, self.recipe.seed)))
        numbers = [fold.number for fold in folds]
        if len(set(numbers)) < len(numbers):
            raise DataError(
                f"the resampler {self.recipe.resample.name!r} gives {len(numbers)} folds and "
                f"{len(set(numbers))} numbers",
                hint="leave the numbers out: the run numbers its folds",
                where="resample",
                code="fold.same_number",
            )
        return folds


@dataclass(frozen=True)
class PreparedCohort(LabelledCohort):
    """The cases whose videos could be prepared, with their clips.

    Attributes:
        preparation: The clips in the order of the cases, and the videos that failed.
    """

    preparation: Preparation
    _frames: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def cases(self) -> pd.DataFrame:
        """One row for each prepared case."""
        return self.cohort.cases

    @property
    def clips(self) -> PreparedClips:
        """The prepared clips, in the order of the cases."""
        return self.preparation.clips

    @cached_property
    def clip_table(self) -> ClipTable:
        """What a sampler may know of the clips; without labels."""
        table = self.clips.table()
        unknown = np.full(len(table), np.nan)

        def numbers(column: str) -> npt.NDArray[np.float64]:
            return self.cases[column].to_numpy(np.float64) if column in self.cases else unknown

        traced: Mapping[str, tuple[int, int]] = getattr(self.recipe.data.build(), "end_frames", dict)()
        ends = (
            np.array([traced.get(case, (np.nan, np.nan)) for case in self.case_ids]).T
            if traced
            else (numbers("ed_frame"), numbers("es_frame"))
        )
        diastole, systole = (moved_frames(frames, numbers("fps"), table) for frames in ends)
        return replace(table, end_diastole=diastole, end_systole=systole)

    def windows(self, split: str, epoch: int = 0) -> Windows:
        """Return the windows of all clips, chosen without any label."""
        return self._sample(self.recipe.clip.build(), split, epoch, self.recipe.seed)

    def sampler(self, fold: Fold) -> Callable[[Rows, str, int, int], Windows]:
        """Return the sampler of a fold, which may see the labels of its training set."""
        sampler = self.recipe.clip.build()

        def windows(lengths: Rows, split: str, epoch: int, seed: int) -> Windows:
            return self._sample(sampler, split, epoch, seed, fold.train if split == "train" else None)

        return windows

    def _sample(
        self, sampler: Callable[..., Any], split: str, epoch: int, seed: int, labelled: Rows | None = None
    ) -> Windows:
        """Call a sampler; the whole table is made only if it looks at it."""
        table = self.clip_table if takes_clips(sampler) else clip_table(self.clips.lengths)
        if labelled is not None and takes_clips(sampler):
            table = table.labelled(self.targets, labelled)
        windows = sample_windows(sampler, table, split, epoch, seed)
        frames = self._frames.setdefault("of a window", windows.frames.shape[1])
        if windows.frames.shape[1] != frames:
            raise EchokitError(
                f"the sampler {self.recipe.clip.name!r} gave windows of {frames} frames, and of "
                f"{windows.frames.shape[1]} for the split {split!r}",
                hint="all windows of all splits have the same number of frames",
                where="clip",
                code="sampler.wrong_windows",
            )
        return windows

    @property
    def case_ids(self) -> list[str]:
        """The ``case_id`` of each case."""
        return self.cases["case_id"].astype(str).tolist()

    def facts(self) -> dict[str, Any]:
        """Describe the data for a lock, with a fingerprint.

        It covers cases, splits, video contents and targets.
        """
        cases = self.cases
        rows = zip(cases["case_id"], cases["split"], self.preparation.contents, self.targets.value, strict=True)
        return {
            "name": self.cohort.name,
            "phantom": self.cohort.phantom,
            **({"fallback": dict(self.changed)} if self.changed else {}),
            "fingerprint": digest([[str(c), str(s), content, repr(float(value))] for c, s, content, value in rows]),
            "cases": len(cases),
            "excluded": self.cohort.excluded,
            "unreadable": len(self.preparation.failures),
            "splits": {
                split: {"cases": int(chosen.sum()), "positive": int(cases["y_true"][chosen].sum())}
                for split in SPLITS
                if (chosen := cases["split"] == split).any()
            },
        }
