"""Leakage: the same patient or the same recording in two sets of a fold.

A patient in two sets is found by name (`check_fold`). Names can be wrong: a video exported twice under two names is
one recording, and is found by its decoded frames (`refuse_leaks`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from echokit.data.clips.clip_file import perceptual_descriptor
from echokit.data.clips.near_duplicates import STILL, groups, near_duplicates
from echokit.data.cohort.cohort import SPLITS, Fold
from echokit.data.cohort.targets import Targets
from echokit.errors import DataError

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
    """Refuse folds that train and test on one recording, by its exact decoded frames.

    If echokit splits by patient, two patients with the same recording are refused in any case: at least one of the
    names is wrong, and so are the groups. If the dataset has its own split, copies inside one set are only reported.

    Args:
        cases: ``case_id`` and ``patient_id`` of each prepared clip.
        headers: Header of each prepared clip.
        folds: All folds of the run.
        by_patient: Whether echokit has split the cohort, by patient.

    Returns:
        Warnings: copies inside one set, and similar clips in different sets.

    Raises:
        DataError: A recording is in two sets of a fold, or has two patients although echokit splits by patient.
    """
    patients = cases["patient_id"].astype(str).to_numpy()
    names = cases["case_id"].astype(str).to_numpy()
    copies = groups([str(header["content"]) for header in headers])
    for group in copies:
        rows = np.array(group)
        is_shared = len(set(patients[rows])) > 1
        crossing = next((sets for fold in folds if (sets := _sets_of(fold, rows))), None)
        if crossing or (is_shared and by_patient):
            where = f"the {' and the '.join(crossing)} set of a fold" if crossing else "two patients' names"
            raise DataError(
                f"the same recording, frame by frame, is in {where}: {' = '.join(names[rows][:SHOWN])}",
                hint="it is one patient: give both clips one patient_id, or exclude all but one "
                "(`echokit data check` writes such a list)",
                where="data",
                code="leak.same_recording",
            )
    warnings = []
    if copies:
        shown = "; ".join(" = ".join(names[group]) for group in copies[:SHOWN])
        warnings.append(f"{len(copies)} recordings occur more than once, inside one set: {shown}")
    similar = [
        (first, second, distance)
        for first, second, distance in near_duplicates(_descriptors(headers))
        if patients[first] != patients[second]
        and headers[first]["content"] != headers[second]["content"]
        and any(_sets_of(fold, np.array([first, second])) for fold in folds)
    ]
    if similar:
        shown = ", ".join(f"{names[a]} ~ {names[b]} (distance {distance:.2f})" for a, b, distance in similar[:SHOWN])
        warnings.append(
            f"{len(similar)} pairs of clips of different patients look the same and are in different sets of a fold, "
            f"perhaps cut or compressed again: {shown}. If they are one recording, test results are too good"
        )
    return warnings


def _sets_of(fold: Fold, rows: npt.NDArray[np.int64]) -> list[str]:
    """Return the sets of a fold with some of the rows, if there are at least two."""
    used = [np.isin(rows, part).any() for part in (fold.train, fold.val, fold.test)]
    names = [name for name, is_used in zip(SPLITS, used, strict=True) if is_used]
    return names if len(names) > 1 else []


def _descriptors(headers: Headers) -> dict[int, npt.NDArray[np.float32]]:
    """Describe the appearance of each clip, without still clips.

    Still clips are similar for no reason.
    """
    return {row: perceptual_descriptor(header) for row, header in enumerate(headers) if header["change"] >= STILL}
