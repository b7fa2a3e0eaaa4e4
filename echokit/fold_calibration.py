"""The calibration of one fold: fitted on its validation patients, kept beside its checkpoint, read by `predict`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from echokit.errors import EchokitError
from echokit.objectives.calibration import Calibration, Uncalibrated, calibration_from
from echokit.objectives.objective import Objective, calibrator_of

if TYPE_CHECKING:
    import pandas as pd

FILE = "calibration.json"


def calibrate(objective: Objective, table: pd.DataFrame) -> Calibration | Uncalibrated | None:
    """Fit the objective's calibration, if it has one, to the validation patients of a fold and to nobody else.

    The kept epoch was chosen on the same patients, which makes the calibration a little too sure of itself.

    Args:
        objective: Of the fold.
        table: Its rows of ``predictions.csv``, with the scores as the objective gives them.
    """
    from echokit.evaluate.predictions import Predictions

    calibrator = calibrator_of(objective)
    if calibrator is None:
        return None
    rows = table[table["split"] == "val"]
    if rows.empty:
        return Uncalibrated("there is no validation part")
    patients = Predictions(rows).per_patient()
    value = patients.table["target"] if "target" in patients.table else patients.table["y_true"] * np.nan
    return calibrator(patients.y_score, patients.y_true, value.to_numpy(np.float64))


def keep_calibration(directory: Path, calibration: Calibration | Uncalibrated, *, phantom: bool) -> None:
    """Write it beside the checkpoint of its fold, as JSON."""
    from echokit.files import write_text

    content = {"phantom": phantom, "calibration": calibration.plain()}
    write_text(directory / FILE, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_calibration(directory: Path) -> Calibration | Uncalibrated:
    """Read what `keep_calibration` wrote.

    Raises:
        EchokitError: It is missing or damaged.
    """
    path = directory / FILE
    try:
        return calibration_from(json.loads(path.read_text(encoding="utf-8"))["calibration"])
    except (OSError, ValueError, TypeError, KeyError, EchokitError) as error:
        raise EchokitError(f"the calibration can not be read: {error}", where=str(path)) from error
