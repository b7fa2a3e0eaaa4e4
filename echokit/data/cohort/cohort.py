"""Cohort: a table of cases. Fold: one split of it into training, validation and test set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from echokit.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

UNNUMBERED = -1
SPLITS = ("train", "val", "test")
_SPLIT_WORDS = {"training": "train", "validation": "val", "valid": "val", "testing": "test"}
COLUMNS = ("case_id", "patient_id", "source", "split")


@dataclass(frozen=True)
class Cohort:
    """Cases of one dataset.

    Attributes:
        cases: One row for each case, in a fixed order: ``case_id`` (unique), ``patient_id``, ``source`` (path of the
            video), ``split`` (train, val or test; empty if the dataset has none) and covariates such as ``ef``.
        name: Name of the dataset, for users.
        phantom: True for synthetic data; every output made from it is stamped PHANTOM DATA. A run sets it, for
            any dataset, if a video lies in a folder that is marked as phantom.
        warnings: Problems that the reader found and counted.
        fingerprint: Hash of the table that the cohort was read from; videos are hashed separately.
        unknown: Why a case has no target value, by case_id; for the terminal only.
        places: Place of a case in its table, as ``cohort.csv:5``, by case_id; for the terminal only.
        excluded: Number of cases excluded by a list.

    Raises:
        DataError: A column is missing, a case_id is repeated, or a patient is in two splits.
    """

    cases: pd.DataFrame
    name: str
    phantom: bool = False
    warnings: tuple[str, ...] = ()
    fingerprint: str = ""
    unknown: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    excluded: int = 0

    def __post_init__(self) -> None:
        missing = [column for column in COLUMNS if column not in self.cases.columns]
        if missing:
            raise DataError(f"the cohort {self.name!r} lacks the columns {missing}", code="cohort.missing_column")
        duplicates = self.cases["case_id"][self.cases["case_id"].duplicated()].unique()
        if len(duplicates):
            raise DataError(
                f"{len(duplicates)} case_ids of {self.name!r} occur twice, for example {duplicates[0]!r}",
                code="cohort.duplicate_case",
            )
        with_split = self.cases[self.cases["split"] != ""]
        crossing = with_split.groupby("patient_id")["split"].nunique()
        crossing = crossing[crossing > 1]
        if len(crossing):
            raise DataError(
                f"{len(crossing)} patients of {self.name!r} are in more than one split",
                hint=f"for example {crossing.index[0]!r}; all cases of a patient belong to one split",
                code="cohort.patient_in_two_splits",
            )

    def __len__(self) -> int:
        return len(self.cases)


def _no_rows() -> npt.NDArray[np.int64]:
    import numpy as np

    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Fold:
    """One split of a cohort, as row positions of ``Cohort.cases``.

    Attributes:
        number: Unique over all repeats; a resampler may leave it out, and the run numbers its folds from 0.
        repeat: Number of the repeat that this fold belongs to.
        train, val, test: (n,) int64 row positions; ``val`` may be empty.
    """

    number: int = UNNUMBERED
    repeat: int = 0
    train: npt.NDArray[np.int64] = field(default_factory=_no_rows)
    val: npt.NDArray[np.int64] = field(default_factory=_no_rows)
    test: npt.NDArray[np.int64] = field(default_factory=_no_rows)


def split_named(cell: str) -> str:
    """Return train, val or test for the word of a table, else the word."""
    word = cell.strip().lower()
    return _SPLIT_WORDS.get(word, word)
