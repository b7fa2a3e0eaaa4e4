"""The rows of ``predictions.csv``: cases of a fold with their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.data.cohort.cohort import Fold
from echokit.pipeline.prepared_cohort import LabelledCohort

if TYPE_CHECKING:
    import pandas as pd

    from echokit.training.scoring import Scores

COHORT_COLUMNS = ("case_id", "patient_id", "split", "repeat", "fold", "y_true")
"""The first columns of ``predictions.csv``; scores follow, and then values."""


def score_rows(cohort: LabelledCohort, split: str, fold: Fold, scores: Scores) -> pd.DataFrame:
    """List the scored cases of a set."""
    table = cohort_rows(cohort, split, fold, scores.case)
    table.insert(len(COHORT_COLUMNS), "y_score", scores.score)
    if scores.prediction is not None:
        table["prediction"] = scores.prediction
    return table


def cohort_rows(cohort: LabelledCohort, split: str, fold: Fold, rows: npt.NDArray[np.int64]) -> pd.DataFrame:
    """List cases of a set, without their scores."""
    import pandas as pd

    case_ids, patients = cohort.cohort.cases["case_id"].to_numpy()[rows], cohort.patients[rows]
    values = (case_ids, patients, split, fold.repeat, fold.number, cohort.targets.y_true[rows])
    table = pd.DataFrame(dict(zip(COHORT_COLUMNS, values, strict=True)))
    if cohort.targets.quantity:
        table["target"] = cohort.targets.value[rows]
    return table
