"""Nested cross-validation: hyperparameters are chosen inside each training part, so that no test fold chooses them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from echokit.cohort.cohort import Cohort, Fold
from echokit.errors import DataError
from echokit.resample.kfold import Folds, repeated
from echokit.resample.patients import patients_of

FEW_EVENTS = 20
MOST_OF_FEW = 10
Value = float | int | str | bool | None


class Nested:
    """K-fold cross-validation, repeated, whose training parts each choose their hyperparameters in inner folds.

    The chosen ones then train a head on the whole training part. What the test folds score is the performance of the
    whole procedure, choice included. It trains very many models, so it is for heads on frozen features.

    Args:
        k: Number of outer folds of each division; at most the patients of the smaller class.
        repeats: Number of divisions.
        inner: Number of inner folds that configurations are compared in, by the AUROC within them.
        search: Hyperparameters of the head by their place in the recipe, each with the values to try; every
            combination is a configuration, the first of equally good ones is taken. Below 20 patients of the smaller
            class at most 10 configurations: there is nothing to tell more of them apart.
    """

    frozen_only: ClassVar[bool] = True
    """Whether each fold must be cheap: a head on cached features."""

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
            DataError: A class has fewer than k patients, or there are too many configurations for so few.
        """
        tried = math.prod(len(values) for values in self.search.values())
        fewest = patients_of(cohort).smaller_class
        if fewest < FEW_EVENTS and tried > MOST_OF_FEW:
            raise DataError(
                f"{tried} configurations are too many for {fewest} patients of the smaller class: the best would "
                "be the luckiest",
                hint=f"at most {MOST_OF_FEW} below {FEW_EVENTS} such patients",
                where="resample.search",
            )
        yield from repeated(cohort, seed, k=self.k, repeats=self.repeats, val=0.0)
