"""The official split of a dataset."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from echokit.data.cohort.cohort import SPLITS, Cohort, Fold
from echokit.errors import DataError


class Official:
    """Use the training, validation and test set of the dataset: one fold."""

    def __call__(self, cohort: Cohort, seed: int) -> Iterator[Fold]:
        """Yield one fold.

        Raises:
            DataError: The dataset has no training or no test set, or a case belongs to none.
        """
        split = cohort.cases["split"].to_numpy()
        train, val, test = (np.flatnonzero(split == part).astype(np.int64) for part in SPLITS)
        if not len(train) or not len(test):
            raise DataError(
                f"the cohort {cohort.name!r} has {len(train)} training and {len(test)} test cases",
                hint="the dataset has no official split; choose another resampler",
                where="resample",
                code="split.not_official",
            )
        if len(train) + len(val) + len(test) != len(cohort):
            unknown = ", ".join(map(repr, sorted(set(split) - set(SPLITS))))
            raise DataError(f"cases of {cohort.name!r} are in unknown splits: {unknown}", code="split.unknown")
        yield Fold(train=train, val=val, test=test)
