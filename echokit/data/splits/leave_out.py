"""Leave out one patient, or one pair of patients, at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from echokit.data.cohort.cohort import Cohort, Fold
from echokit.data.splits.stratify import Patients, fold_of, patients_of
from echokit.errors import DataError


class LeaveOneOut:
    """Test every patient alone, with a model trained on all others.

    A test set of one patient has one class, so patients cannot be ranked in it. Pooling the scores of different models
    ranks the training sets instead: a model that predicts the training prevalence has an AUROC of 0. So only scores of
    single patients are allowed: Brier score and log loss.
    """

    evaluators: ClassVar[tuple[str, ...]] = ("brier", "log_loss")
    """The evaluators that are meaningful with these folds."""
    validation: ClassVar[bool] = False
    """No fold has a validation set."""

    def __call__(self, cohort: Cohort, seed: int) -> Iterator[Fold]:
        """Yield one fold for each patient.

        Raises:
            DataError: A class has a single patient, so that a training set would lack it.
        """
        patients = _at_least_two(patients_of(cohort))
        for number in range(len(patients.y)):
            yield fold_of(patients, np.array([number], np.int64), val=0.0, seed=(seed,))


class LeavePairOut:
    """Test every pair of a positive and a negative patient, train on the rest.

    The mean over the folds is an almost unbiased AUROC (Airola and others, Computational Statistics and Data
    Analysis 2011). There are as many folds as pairs (189 for 7 of 34), so it is for heads on frozen features.
    """

    evaluators: ClassVar[tuple[str, ...]] = ("auroc",)
    """The evaluators that are meaningful with these folds."""
    frozen_only: ClassVar[bool] = True
    """Whether each fold must be cheap: a head on cached features."""
    validation: ClassVar[bool] = False
    """No fold has a validation set."""

    def __call__(self, cohort: Cohort, seed: int) -> Iterator[Fold]:
        """Yield one fold for each pair.

        Raises:
            DataError: A class has a single patient, so that a training set would lack it.
        """
        patients = _at_least_two(patients_of(cohort))
        negatives = np.flatnonzero(patients.y == 0)
        for one in np.flatnonzero(patients.y == 1):
            for other in negatives:
                yield fold_of(patients, np.array([one, other], np.int64), val=0.0, seed=(seed,))


def _at_least_two(patients: Patients) -> Patients:
    if patients.smaller_class < 2:
        raise DataError(
            f"the smaller class has {patients.smaller_class} patients: a training set may lack it",
            where="resample",
            code="split.too_few_patients",
        )
    return patients
