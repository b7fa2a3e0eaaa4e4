"""Nested cross-validation: hyperparameters are chosen inside each training set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from echokit.data.cohort.cohort import Cohort, Fold
from echokit.data.splits.kfold import Folds, repeated
from echokit.data.splits.stratify import patients_of
from echokit.errors import DataError

FEW_PATIENTS = 20
MAX_CONFIGURATIONS = 10
Value = float | int | str | bool | None


class Nested:
    """Repeated k-fold cross-validation with a hyperparameter search in inner folds.

    The selected hyperparameters then train a head on the whole training set. The test folds measure the performance of
    the whole procedure, selection included. It trains very many models, so it is for heads on frozen features.

    Args:
        k: Number of outer folds of each repeat; at most the patients of the smaller class.
        repeats: Number of repeats.
        inner: Number of inner folds; configurations are compared by the AUROC within them.
        search: Hyperparameters of the head by their place in the recipe, each with the values to try; every
            combination is a configuration, and the first of equally good ones is selected. With fewer than 20 patients
            of the smaller class at most 10 configurations: more could not be distinguished.
    """

    frozen_only: ClassVar[bool] = True
    """Whether each fold must be cheap: a head on cached features."""
    validation: ClassVar[bool] = False
    """No fold has a validation set."""

    def __init__(
        self,
        *,
        k: Folds = 5,
        repeats: Annotated[int, Field(ge=1, le=1000)] = 1,
        inner: Folds = 3,
        search: Mapping[str, Annotated[tuple[Value, ...], Field(min_length=1)]] | None = None,
    ) -> None:
        self.k = k
        self.repeats = repeats
        self.inner = inner
        self.search = dict(search or {})

    def __call__(self, cohort: Cohort, seed: int) -> Iterator[Fold]:
        """Yield repeats x k folds.

        Raises:
            DataError: A class has fewer than k patients, or there are too many configurations for so few patients.
        """
        tried = math.prod(len(values) for values in self.search.values())
        fewest = patients_of(cohort).smaller_class
        if fewest < FEW_PATIENTS and tried > MAX_CONFIGURATIONS:
            raise DataError(
                f"{tried} configurations are too many for {fewest} patients of the smaller class: the best would "
                "win by chance",
                hint=f"at most {MAX_CONFIGURATIONS} below {FEW_PATIENTS} such patients",
                where="resample.search",
                code="search.too_many_candidates",
            )
        yield from repeated(cohort, seed, k=self.k, repeats=self.repeats, val=0.0)
