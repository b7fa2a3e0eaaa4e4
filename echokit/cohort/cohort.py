"""Cohort: a table of cases, and Fold: one division of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from echokit.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

SPLITS = ("train", "val", "test")
COLUMNS = ("case_id", "patient_id", "source", "split")


@dataclass(frozen=True)
class Cohort:
    """Cases of one dataset.

    Attributes:
        cases: One row a case, in a fixed order: ``case_id`` (unique), ``patient_id``, ``source`` (path of the video),
            ``split`` (train, val or test; empty where the dataset has none) and covariates such as ``ef``.
        name: Name of the dataset, as shown to the user.
        phantom: True for synthetic data; every output made from it is stamped PHANTOM DATA.
        warnings: What the reader met and counted, in words.
        fingerprint: Hash of the table that the cohort was read from; the content of the videos is hashed apart.
        unknown: Why a case has no value of the target, by case_id.
        places: Where a case stands in the table that lists it, as ``line 5``, by case_id; empty where there is none.
        excluded: How many cases a list has left out.

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
            raise DataError(f"the cohort {self.name!r} lacks the columns {missing}")
        twice = self.cases["case_id"][self.cases["case_id"].duplicated()].unique()
        if len(twice):
            raise DataError(f"{len(twice)} case_ids of {self.name!r} occur twice, for example {twice[0]!r}")
        named = self.cases[self.cases["split"] != ""]
        crossing = named.groupby("patient_id")["split"].nunique()
        crossing = crossing[crossing > 1]
        if len(crossing):
            raise DataError(
                f"{len(crossing)} patients of {self.name!r} are in more than one split",
                hint=f"for example {crossing.index[0]!r}; every case of a patient belongs into one split",
            )

    def __len__(self) -> int:
        return len(self.cases)


@dataclass(frozen=True)
class Fold:
    """One division of a cohort, as row positions of ``Cohort.cases``.

    Attributes:
        number: Unique over all repeats.
        repeat: Which repeat of the division this fold belongs to.
        train, val, test: (n,) int64 row positions; ``val`` may be empty.
    """

    number: int
    repeat: int
    train: npt.NDArray[np.int64]
    val: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]
