"""Holdout: one random split, stratified by class and grouped by patient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from echokit.data.cohort.cohort import Cohort, Fold
from echokit.data.splits.stratify import draw_patients, patients_of
from echokit.errors import DataError


class Holdout:
    """Split the patients at random, stratified by class: one fold.

    Args:
        test: Share of the patients in the test set.
        val: Share of the patients in the validation set; 0 for none.
    """

    def __init__(
        self,
        *,
        test: Annotated[float, Field(gt=0, lt=1)] = 0.2,
        val: Annotated[float, Field(ge=0, lt=1)] = 0.2,
    ) -> None:
        self.test = test
        self.val = val

    def __call__(self, cohort: Cohort, seed: int) -> Iterator[Fold]:
        """Yield one fold.

        Raises:
            DataError: The shares leave nothing to train on, or a set would lack a class.
        """
        if self.test + self.val >= 1:
            raise DataError(
                f"test {self.test} and val {self.val} leave nothing to train on",
                where="resample",
                code="split.no_training",
            )
        patients = patients_of(cohort)
        shares, everyone = (self.test, self.val), np.arange(len(patients.y))
        test, val, train = map(patients.rows, draw_patients(patients, everyone, shares, (seed, 0x401D)))
        yield Fold(train=train, val=val, test=test)
