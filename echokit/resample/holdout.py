"""One random division, stratified by class and grouped by patient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from echokit.cohort.cohort import Cohort, Fold
from echokit.errors import DataError


class Holdout:
    """Divide the patients at random, the same share of each class in every part: one fold.

    Args:
        test: Share of the patients in the test part.
        val: Share of the patients in the validation part; 0 for none.
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
            DataError: The shares leave nothing to train on, or a part would lack a class.
        """
        if self.test + self.val >= 1:
            raise DataError(f"test {self.test} and val {self.val} leave nothing to train on", where="resample")
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 0x401D])))
        patients = cohort.cases.groupby("patient_id", sort=True)["y_true"].max()
        part: dict[str, str] = {}
        for label in (0, 1):
            names = generator.permutation(patients.index[patients == label].to_numpy())
            n_test, n_val = round(self.test * len(names)), round(self.val * len(names))
            if not n_test or (self.val and not n_val) or n_test + n_val >= len(names):
                raise DataError(
                    f"{len(names)} patients with y_true {label} are too few for a holdout", where="resample"
                )
            for index, name in enumerate(names):
                part[name] = "test" if index < n_test else "val" if index < n_test + n_val else "train"
        split = cohort.cases["patient_id"].map(part).to_numpy()

        def rows(name: str) -> npt.NDArray[np.int64]:
            return np.flatnonzero(split == name).astype(np.int64)

        yield Fold(0, 0, rows("train"), rows("val"), rows("test"))
