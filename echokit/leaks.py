"""Leaks: the same recording in two parts of a fold, found by what it shows, not by what it is called.

A patient in two parts is refused by name (`check_fold`). Names can be wrong: a video that was exported
twice under two names is one recording all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from echokit.check.likeness import groups, near_pairs
from echokit.check.pictures import STILL
from echokit.cohort.cohort import SPLITS, Fold
from echokit.errors import DataError
from echokit.objectives.objective import Targets
from echokit.prepared import look_of

if TYPE_CHECKING:
    import pandas as pd

Headers = Sequence[Mapping[str, Any]]
SHOWN = 5


def check_fold(fold: Fold, targets: Targets, patients: npt.NDArray[Any]) -> None:
    """Refuse a fold that cannot be trained or that leaks a patient.

    Raises:
        DataError: The training set has one class, or a patient is in two sets.
    """
    positives = int(targets.y_true[fold.train].sum())
    if positives in (0, len(fold.train)):
        raise DataError(
            f"all {len(fold.train)} training cases of fold {fold.number} are of one class",
            hint="check target, or split the cohort in another way",
            where="resample",
            code="fold.one_class",
        )
    sets = [set(patients[rows]) for rows in (fold.train, fold.val, fold.test)]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        shared = sets[first] & sets[second]
        if shared:
            raise DataError(
                f"{len(shared)} patients are in the {SPLITS[first]} and the {SPLITS[second]} set of fold "
                f"{fold.number}, for example {sorted(shared)[0]!r}",
                where="resample",
                code="fold.patient_overlap",
            )


def refuse_leaks(cases: pd.DataFrame, headers: Headers, folds: Sequence[Fold], *, by_patient: bool) -> list[str]:
    """Refuse a division in which a recording is trained on and tested, by its exact decoded frames.

    Where the division is made here, patient by patient, two patients with the same recording are refused in any case:
    at least one of the names is wrong, and the groups with it. Where the dataset divides itself, copies inside one part
    are only told.

    Args:
        cases: ``case_id`` and ``patient_id``, a row a prepared clip.
        headers: What each prepared clip says of itself.
        folds: All folds of the run.
        by_patient: Whether the division was made here, by patient.

    Returns:
        Warnings: copies that do no harm, and pairs across parts that look alike without being equal.

    Raises:
        DataError: A recording is in two parts of a fold, or under two patients where these are what is divided.
    """
    patients = cases["patient_id"].astype(str).to_numpy()
    names = cases["case_id"].astype(str).to_numpy()
    copies = groups([str(header["content"]) for header in headers])
    for group in copies:
        rows = np.array(group)
        several = len(set(patients[rows])) > 1
        crossing = next((found for fold in folds if (found := _parts(fold, rows))), None)
        if crossing or (several and by_patient):
            where = f"the {' and the '.join(crossing)} part of a fold" if crossing else "two patients' names"
            raise DataError(
                f"the same recording, frame by frame, is in {where}: {' = '.join(names[rows][:SHOWN])}",
                hint="it is one patient: give both clips one patient_id, or exclude all but one "
                "(`echokit data check` writes such a list)",
                where="data",
            )
    warnings = []
    if copies:
        shown = "; ".join(" = ".join(names[group]) for group in copies[:SHOWN])
        warnings.append(f"{len(copies)} recordings are there more than once, inside one part: {shown}")
    alike = [
        (first, second, distance)
        for first, second, distance in near_pairs(_looks(headers))
        if patients[first] != patients[second]
        and headers[first]["content"] != headers[second]["content"]
        and any(_parts(fold, np.array([first, second])) for fold in folds)
    ]
    if alike:
        shown = ", ".join(f"{names[a]} ~ {names[b]} (distance {distance:.2f})" for a, b, distance in alike[:SHOWN])
        warnings.append(
            f"{len(alike)} pairs of clips of different patients look the same and are in different parts of a fold, "
            f"cut or compressed anew perhaps: {shown}. If they are one recording, the test flatters"
        )
    return warnings


def _parts(fold: Fold, rows: npt.NDArray[np.int64]) -> list[str]:
    """The parts of a fold that hold some of the rows, where they are more than one."""
    held = [np.isin(rows, part).any() for part in (fold.train, fold.val, fold.test)]
    named = [name for name, there in zip(SPLITS, held, strict=True) if there]
    return named if len(named) > 1 else []


def _looks(headers: Headers) -> dict[int, npt.NDArray[np.float32]]:
    """How each clip looks; without those in which nothing moves, which look alike for no reason."""
    return {row: look_of(header) for row, header in enumerate(headers) if header["change"] >= STILL}
