"""Patients and their classes: every resampler splits patients, never single videos."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from echokit.data.cohort.cohort import UNNUMBERED, Cohort, Fold
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


def draw_patients(
    patients: Patients, among: Integers, shares: tuple[float, ...], seed: tuple[int, ...], where: str = "resample"
) -> list[Integers]:
    """Draw patients at random, the same share of each class.

    Args:
        patients: All patients.
        among: (m,) int64 patients to draw from.
        shares: Share of each part; a part of 0 is empty.
        seed: Seed of the draw.
        where: What the user can change.

    Returns:
        The patients of each part, and after them the rest.

    Raises:
        DataError: A part or the rest would lack a class.
    """
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
    parts: list[list[Integers]] = [[] for _ in (*shares, "rest")]
    for label in (0, 1):
        of_class = generator.permutation(among[patients.y[among] == label])
        counts = [round(share * len(of_class)) for share in shares]
        is_empty = any(share and not count for share, count in zip(shares, counts, strict=True))
        if is_empty or sum(counts) >= len(of_class):
            raise DataError(
                f"{len(of_class)} patients with y_true {label} are too few to draw "
                f"{' and '.join(f'{share:g}' for share in shares if share)} of them and leave a rest",
                hint="change the shares, or the target",
                where=where,
                code="split.too_few_patients",
            )
        for part, drawn in zip(parts, np.split(of_class, np.cumsum(counts)), strict=True):
            part.append(drawn)
    return [np.concatenate(part) for part in parts]


def split_patients(
    cohort: Cohort, share: float, seed: int, *, among: Integers | None = None
) -> tuple[Integers, Integers]:
    """Split a cohort at random by patient, the same share of each class.

    Twice gives three sets: ``rest, test = split_patients(cohort, 0.2, seed)``, then
    ``train, val = split_patients(cohort, 0.2, seed, among=rest)``.

    Args:
        cohort: With the column ``y_true``, as a resampler gets it.
        share: Share of the patients in the second set, above 0 and below 1.
        seed: Seed of the draw.
        among: (n,) int64 row positions to split; all by default.

    Returns:
        The rows of the rest and the rows of the share, each in the order of the cohort.

    Raises:
        DataError: One of the two would lack a class.
    """
    patients = patients_of(cohort)
    chosen = np.arange(len(patients.y)) if among is None else np.unique(patients.of_case[among])
    part, rest = draw_patients(patients, chosen, (share,), (seed, 0x5917))
    return patients.rows(rest), patients.rows(part)


def numbered(folds: Iterable[Fold]) -> Iterator[Fold]:
    """Number the folds that have no number by their position."""
    for position, fold in enumerate(folds):
        yield fold if fold.number != UNNUMBERED else replace(fold, number=position)


def fold_of(patients: Patients, test: Integers, *, repeat: int = 0, val: float, seed: tuple[int, ...]) -> Fold:
    """Create the fold that tests some patients, with a validation set if requested.

    Args:
        patients: All patients.
        test: (m,) int64 patients of the test set.
        repeat: Number of the repeat.
        val: Share of the other patients, of each class, in the validation set; 0 for none.
        seed: Seed of the validation set.

    Raises:
        DataError: The validation or the training set would lack a class.
    """
    train = np.setdiff1d(np.arange(len(patients.y)), test)
    validation = train[:0]
    if val:
        validation, train = draw_patients(patients, train, (val,), seed, "resample.val")
    train_rows, val_rows, test_rows = (patients.rows(part) for part in (train, validation, test))
    return Fold(repeat=repeat, train=train_rows, val=val_rows, test=test_rows)
