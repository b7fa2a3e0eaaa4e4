"""K-fold cross-validation by patient and class, once or repeated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from echokit.data.cohort.cohort import Cohort, Fold
from echokit.data.splits.stratify import fold_of, patients_of, stratified_folds

Folds = Annotated[int, Field(ge=2, le=100)]
Share = Annotated[float, Field(ge=0, lt=1)]


class KFold:
    """Test every patient once: k folds, stratified by class.

    All cases of a patient are in one of them.

    Args:
        k: Number of folds; at most the patients of the smaller class.
        val: Share of the other patients, of each class, in a validation set; 0 for none.
    """

    def __init__(self, *, k: Folds = 5, val: Share = 0.0) -> None:
        self.k = k
        self.val = val

    def __call__(self, cohort: Cohort, seed: int) -> Iterator[Fold]:
        """Yield k folds.

        Raises:
            DataError: A class has fewer than k patients, or too few for a validation set.
        """
        yield from repeated(cohort, seed, k=self.k, repeats=1, val=self.val)


class RepeatedKFold:
    """Repeat k-fold cross-validation with new splits.

    Args:
        k: Number of folds of each repeat; at most the patients of the smaller class.
        repeats: Number of repeats.
        val: Share of the other patients, of each class, in a validation set; 0 for none.
    """

    def __init__(self, *, k: Folds = 5, repeats: Annotated[int, Field(ge=1, le=1000)] = 10, val: Share = 0.0) -> None:
        self.k = k
        self.repeats = repeats
        self.val = val

    def __call__(self, cohort: Cohort, seed: int) -> Iterator[Fold]:
        """Yield repeats x k folds.

        Raises:
            DataError: A class has fewer than k patients, or too few for a validation set.
        """
        yield from repeated(cohort, seed, k=self.k, repeats=self.repeats, val=self.val)


def repeated(cohort: Cohort, seed: int, *, k: int, repeats: int, val: float) -> Iterator[Fold]:
    """Yield the folds of several repeats; earlier ones do not depend on later."""
    patients = patients_of(cohort)
    for repeat in range(repeats):
        for index, test in enumerate(stratified_folds(patients, k, (seed, 0xF01D, repeat))):
            number = repeat * k + index
            yield fold_of(patients, test, repeat=repeat, val=val, seed=(seed, 0x7A1, number))
