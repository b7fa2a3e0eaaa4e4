"""Patients and their classes: every resampler splits patients, never single videos."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from echokit.data.cohort.cohort import Cohort, Fold
from echokit.errors import DataError

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Patients:
    """The patients of a cohort, sorted by name.

    Attributes:
        names: (p,) their patient_id.
        y: (p,) int64, 1 if any case of the patient is positive.
        of_case: (n,) int64, the patient of each case.
    """

    names: npt.NDArray[np.object_]
    y: Integers
    of_case: Integers

    @property
    def smaller_class(self) -> int:
        """Number of patients of the smaller class."""
        return int(min(self.y.sum(), len(self.y) - self.y.sum()))

    def rows(self, chosen: Integers | Collection[int]) -> Integers:
        """Return the rows of the cases of some patients, in the order of the cohort."""
        return np.flatnonzero(np.isin(self.of_case, np.asarray(list(chosen), np.int64))).astype(np.int64)


def patients_of(cohort: Cohort) -> Patients:
    """Collect the patients of a cohort with the column ``y_true``."""
    names, of_case = np.unique(cohort.cases["patient_id"].to_numpy(object), return_inverse=True)
    y = np.zeros(len(names), np.int64)
    np.maximum.at(y, of_case, cohort.cases["y_true"].to_numpy(np.int64))
    return Patients(names, y, of_case.astype(np.int64))


def stratified_folds(patients: Patients, k: int, seed: tuple[int, ...]) -> list[Integers]:
    """Split patients into k stratified test sets.

    Raises:
        DataError: A class has fewer than k patients, so that a test set would lack it.
    """
    from sklearn.model_selection import StratifiedKFold

    fewest = patients.smaller_class
    if k > fewest:
        raise DataError(
            f"{k} folds need at least {k} patients of each class, and the smaller class has {fewest}",
            hint=f"use k: {fewest} or fewer" if fewest > 1 else "this cohort cannot be stratified by class",
            where="resample.k",
            code="split.too_few_patients",
        )
    state = int(np.random.SeedSequence(seed).generate_state(1)[0])
    splitter = StratifiedKFold(k, shuffle=True, random_state=state)
    return [test.astype(np.int64) for _, test in splitter.split(np.zeros(len(patients.y)), patients.y)]


def fold_of(patients: Patients, test: Integers, *, number: int, repeat: int, val: float, seed: tuple[int, ...]) -> Fold:
    """Create the fold that tests some patients, with a validation set if requested.

    Args:
        patients: All patients.
        test: (m,) int64 patients of the test set.
        number, repeat: Numbers of the fold and of its repeat.
        val: Share of the other patients, of each class, in the validation set; 0 for none.
        seed: Seed of the validation set.

    Raises:
        DataError: The validation or the training set would lack a class.
    """
    others = np.setdiff1d(np.arange(len(patients.y)), test)
    chosen: list[Integers] = []
    if val:
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
        for label in (0, 1):
            of_class = generator.permutation(others[patients.y[others] == label])
            count = round(val * len(of_class))
            if not count or count >= len(of_class):
                raise DataError(
                    f"a validation set of {val:g} of {len(of_class)} patients with y_true {label} leaves one set "
                    "without that class",
                    hint="change resample.val, or set it to 0",
                    where="resample.val",
                    code="split.too_few_patients",
                )
            chosen.append(of_class[:count])
    validation = np.concatenate(chosen) if chosen else np.empty(0, np.int64)
    train = np.setdiff1d(others, validation)
    return Fold(number, repeat, patients.rows(train), patients.rows(validation), patients.rows(test))
