"""Checks of a resampler: (Cohort, seed) -> folds."""

from __future__ import annotations

import numpy as np

from echokit.data.cohort.cohort import SPLITS, Cohort, Fold
from echokit.data.splits.stratify import numbered
from echokit.testing.case import Subject, require

PATIENTS = 60


def _cohort(subject: Subject) -> Cohort:
    """Create a cohort with two videos per patient, a third positive."""
    import pandas as pd

    patient = np.repeat(np.arange(PATIENTS), 2)
    n = len(patient)
    cases = pd.DataFrame(
        {
            "case_id": [f"case-{row:03d}" for row in range(n)],
            "patient_id": [f"patient-{number:03d}" for number in patient],
            "source": [f"/nowhere/{row}.avi" for row in range(n)],
            "split": [SPLITS[0 if number % 5 < 3 else number % 5 - 2] for number in patient],
            "ef": np.where(patient % 3 == 0, 35.0, 62.0),
            "y_true": (patient % 3 == 0).astype(np.int64),
            **{name: make(n) for name, make in subject.case.columns.items()},
        }
    )
    return Cohort(cases, "conformance checks")


def _folds(subject: Subject, seed: int = 3) -> tuple[Cohort, list[Fold]]:
    cohort = _cohort(subject)
    folds = list(numbered(subject.make()(cohort, seed)))
    require(folds, "it gives no fold")
    return cohort, folds


def check_folds_do_not_overlap(subject: Subject) -> None:
    """Rows exist; the sets of a fold do not overlap and are not empty."""
    cohort, folds = _folds(subject)
    for fold in folds:
        rows = np.concatenate([fold.train, fold.val, fold.test])
        require(rows.dtype == np.int64, f"fold {fold.number}: rows are {rows.dtype}, not int64")
        require(len(np.unique(rows)) == len(rows), f"fold {fold.number}: a row is in two sets")
        require(rows.min() >= 0 and rows.max() < len(cohort), f"fold {fold.number}: a row is outside the cohort")
        require(len(fold.train) and len(fold.test), f"fold {fold.number}: the training or test set is empty")


def check_no_patient_crosses(subject: Subject) -> None:
    """All cases of a patient are in the same set of a fold."""
    cohort, folds = _folds(subject)
    patients = cohort.cases["patient_id"].to_numpy()
    for fold in folds:
        sets = [set(patients[rows]) for rows in (fold.train, fold.val, fold.test)]
        require(sum(map(len, sets)) == len(set.union(*sets)), f"fold {fold.number}: a patient is in two sets")


def check_every_part_has_both_classes(subject: Subject) -> None:
    """With enough patients of both classes, the training and test sets contain both."""
    cohort, folds = _folds(subject)
    y_true = cohort.cases["y_true"].to_numpy()
    for fold in folds:
        for rows in (fold.train, fold.test):
            if len(rows) > 4:  # a leave-one-out test set cannot
                require(0 < y_true[rows].sum() < len(rows), f"fold {fold.number}: a set has one class only")


def check_fold_numbers_are_unique(subject: Subject) -> None:
    """Fold numbers are unique across repeats."""
    numbers = [fold.number for fold in _folds(subject)[1]]
    require(len(set(numbers)) == len(numbers), f"the fold numbers are {numbers}")


def check_gives_the_same_for_the_same_seed(subject: Subject) -> None:
    """The folds depend on cohort and seed only; the cohort is not modified."""
    cohort = _cohort(subject)
    original = cohort.cases.copy(deep=True)
    first, second = list(subject.make()(cohort, 3)), list(subject.make()(cohort, 3))
    require(cohort.cases.equals(original), "it modified the cohort")
    require(len(first) == len(second), "the number of folds differs")
    for before, after in zip(first, second, strict=True):
        for split in SPLITS:
            same = np.array_equal(getattr(before, split), getattr(after, split))
            require(same, f"fold {before.number}: {split} differs")
