"""Predictions: the score of a model for every case, one row a case and fold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.errors import DataError
from echokit.system.csv_cells import csv_text
from echokit.system.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

COLUMNS = ("case_id", "patient_id", "split", "repeat", "fold", "y_true", "y_score")
NO_PROBABILITY = "no probability"
"""Value of the column ``score_is`` if ``y_score`` is no probability; the column ``threshold`` is then set too."""


@dataclass(frozen=True)
class Predictions:
    """A table of scores.

    Attributes:
        table: Columns ``case_id, patient_id, split, repeat, fold, y_true, y_score`` and, for an EF objective,
            ``target, prediction``. ``y_true`` 1 is the positive class.
        positive: Name of the positive class (``reduced``).
        threshold: Score at and above which a case is classified as positive; fixed before the test data is seen.
        threshold_origin: Where the threshold is from; completes the sentence "the threshold was ...".
        probability: Whether ``y_score`` is a probability of the positive class.

    Raises:
        DataError: A column is missing, ``y_true`` is not 0 or 1, or a score is not a finite number (cases are named).
    """

    table: pd.DataFrame
    positive: str = "positive"
    threshold: float = 0.5
    probability: bool = True
    threshold_origin: str = "fixed before the test data was seen"

    def __post_init__(self) -> None:
        missing = [column for column in COLUMNS if column not in self.table.columns]
        if missing:
            raise DataError(
                f"the predictions lack the columns {', '.join(missing)}",
                hint=f"expected {', '.join(COLUMNS)}",
                code="predictions.missing_column",
            )
        finite = np.isfinite(self.table["y_score"].to_numpy(float))
        checks = (
            (self.table["y_true"].isin([0, 1]), "y_true is neither 0 nor 1", "predictions.bad_class"),
            (finite, "y_score is not a finite number", "predictions.bad_number"),
        )
        for valid, problem, code in checks:
            if not valid.all():
                raise DataError(f"{problem} for {list_cases(self.table.loc[~valid, 'case_id'])}", code=code)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def y_true(self) -> npt.NDArray[np.int64]:
        """(n,) int64 of 0 and 1."""
        return self.table["y_true"].to_numpy(np.int64)

    @property
    def y_score(self) -> npt.NDArray[np.float64]:
        """(n,) float64 scores."""
        return self.table["y_score"].to_numpy(np.float64)

    def per_patient(self) -> Predictions:
        """Average the scores of each patient: metrics count patients, not videos.

        Any other column (a covariate) takes the first value of the patient. If the classes come from a quantity (there
        is a column ``target``), a patient whose examinations lie on both sides of the cut counts once in each
        class, named ``PATIENT, y_true 0`` and ``PATIENT, y_true 1``.

        Raises:
            DataError: The cases of one patient have different outcomes, and the outcome is no quantity.
        """
        keys = ["split", "repeat", "fold", "patient_id"]
        whole = self.table
        mixed = whole.groupby(keys, dropna=False)["y_true"].transform("nunique") > 1
        if mixed.any():
            if "target" not in whole.columns:
                names = whole.loc[mixed, "patient_id"].unique()
                raise DataError(
                    f"{len(names)} patients have cases of both classes, for example {names[0]!r}",
                    hint="give one outcome for each patient",
                    code="predictions.two_classes",
                )
            parts = whole["patient_id"].astype(str) + ", y_true " + whole["y_true"].astype(str)
            whole = whole.assign(patient_id=whole["patient_id"].where(~mixed, parts))
        groups = whole.groupby(keys, sort=False, dropna=False)
        numeric = [c for c in ("y_true", "y_score", "target", "prediction") if c in whole.columns]
        others = [c for c in whole.columns if c not in (*keys, *numeric)]
        table = groups.agg({**dict.fromkeys(others, "first"), **dict.fromkeys(numeric, "mean")}).reset_index()
        table["y_true"] = table["y_true"].astype(np.int64)
        return replace(self, table=table)

    def write(self, path: Path) -> None:
        """Write the table as CSV with every digit of the scores."""
        write_text(path, csv_text(self.table))


def list_cases(names: Iterable[object]) -> str:
    """Count cases and name the first five: ``7 cases: a, b, c, d, e, ...``."""
    texts = [str(name) for name in names]
    shown = ", ".join(texts[:5]) + (", ..." if len(texts) > 5 else "")
    return f"{len(texts)} case{'s' if len(texts) != 1 else ''}: {shown}"
