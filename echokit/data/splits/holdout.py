"""Holdout: one random split, stratified by class and grouped by patient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from echokit.data.cohort.cohort import Cohort, Fold
from echokit.data.splits.stratify import patients_of
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
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 0x401D])))
        parts: dict[str, list[int]] = {"train": [], "val": [], "test": []}
        for label in (0, 1):
            of_class = generator.permutation(np.flatnonzero(patients.y == label)).tolist()
            n_test, n_val = round(self.test * len(of_class)), round(self.val * len(of_class))
            if not n_test or (self.val and not n_val) or n_test + n_val >= len(of_class):
                raise DataError(
                    f"{len(of_class)} patients with y_true {label} are too few for a holdout",
                    where="resample",
                    code="split.too_few_patients",
                )
            parts["test"] += of_class[:n_test]
            parts["val"] += of_class[n_test : n_test + n_val]
            parts["train"] += of_class[n_test + n_val :]
        train, val, test = (patients.rows(parts[name]) for name in ("train", "val", "test"))
        yield Fold(0, 0, train, val, test)
