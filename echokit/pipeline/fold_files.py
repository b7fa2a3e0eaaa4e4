"""Files of one finished fold, beside its checkpoint: scores, calibration, selected configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from echokit.data.cohort.targets import Targets
from echokit.errors import EchokitError
from echokit.system.checksums import add_checksums, checksum_problem
from echokit.system.csv_cells import csv_text, unguarded
from echokit.system.files import write_text
from echokit.system.phantom_mark import STAMP
from echokit.training.calibrators.calibration import (
    Calibration,
    Calibrator,
    Uncalibrated,
    ValidationScores,
    calibration_from,
    fit_calibration,
)
from echokit.training.objectives.objective import Objective

if TYPE_CHECKING:
    import pandas as pd

    from echokit.models.weights.transfer import WeightReport
    from echokit.pipeline.head_search import Choice
    from echokit.training.checkpoints.epoch_selection import SelectedEpoch

SCORES, CALIBRATION, CHOICE, WEIGHTS = (
    "predictions.csv",
    "calibration.json",
    "choice.json",
    "starting_weights.json",
)


@dataclass(frozen=True)
class FoldResult:
    """The result of one fold.

    Attributes:
        table: Rows of ``predictions.csv``, with the scores of the objective, not yet calibrated.
        probability: Whether these scores are probabilities.
        threshold: A case with this score or a higher one is classified as positive.
        calibration: Turns these scores into probabilities, or the reason why not; None if the objective has none.
        history: One record for each epoch.
        selected: The selected epoch.
        weights: Which initial weights were loaded; None if training started from random weights.
        choice: The configuration selected inside the fold, if the recipe searches.
        scored_again: Why saved scores were not used, if there were any.
    """

    table: pd.DataFrame
    probability: bool
    threshold: float
    calibration: Calibration | Uncalibrated | None
    history: list[Mapping[str, Any]]
    selected: SelectedEpoch
    weights: WeightReport | None = None
    choice: Choice | None = None
    scored_again: str | None = None

    @property
    def number(self) -> int:
        """Number of the fold."""
        return int(self.table["fold"].iloc[0])


def save_scores(folder: Path, table: pd.DataFrame, *, phantom: bool) -> None:
    """Write the scores of a fold with every digit, not yet calibrated."""
    stamped = table.assign(data=STAMP) if phantom else table
    write_text(folder / SCORES, csv_text(stamped))


def seal_fold(folder: Path) -> None:
    """Add the checksums of what the pipeline has written to those of the training."""
    add_checksums(folder, (SCORES, CALIBRATION, CHOICE, WEIGHTS))


def load_scores(folder: Path, expected: pd.DataFrame) -> pd.DataFrame | str | None:
    """Load the scores that `save_scores` wrote.

    Args:
        folder: Folder of the fold, with its checksums.
        expected: The rows of the fold in its cohort: cases, patients, split, fold and truth.

    Returns:
        The table; why it cannot be used; or None if there is none.
    """
    import pandas as pd

    if not (folder / SCORES).exists():
        return None
    try:
        if problem := checksum_problem(folder, SCORES):
            return problem
        table = pd.read_csv(
            folder / SCORES,
            dtype={"case_id": str, "patient_id": str, "split": str},
            keep_default_na=False,  # a case may be named NA
            converters=dict.fromkeys(("y_score", "target", "prediction"), _number),  # pandas' own parser may lose a bit
        )
    except (OSError, ValueError) as error:
        return " ".join(str(error).split())
    table = unguarded(table)
    if missing := [name for name in (*expected.columns, "y_score") if name not in table]:
        return f"the columns {', '.join(missing)} are missing"
    if len(table) != len(expected):
        return f"it has {len(table)} rows, and the fold {len(expected)}"
    for name in expected.columns:
        same = (table[name] == expected[name]) | (table[name].isna() & expected[name].isna())
        if other := int((~same).sum()):
            return f"{name} of {other} cases is not that of the cohort"
    return table.drop(columns="data", errors="ignore")


def _number(text: str) -> float:
    return float(text) if text else float("nan")


def calibrate(objective: Objective, table: pd.DataFrame, *, below: float | None) -> Calibration | Uncalibrated | None:
    """Fit the objective's calibration to the validation patients of a fold.

    The epoch was selected on the same patients, so the calibration is slightly too confident.

    Args:
        objective: Objective of the fold.
        table: Rows of ``predictions.csv``, with the scores of the objective.
        below: Cut-off of the target's value, if it has one.
    """
    from echokit.evaluation.predictions import Predictions

    calibrator = objective.calibrator
    if calibrator is None:
        return None
    rows = table[table["split"] == "val"]
    if rows.empty:
        return Uncalibrated("there is no validation set")
    patients = Predictions(rows).per_patient()
    value = patients.table["target"] if "target" in patients.table else patients.table["y_true"] * np.nan
    bounded = objective.bounded or objective.probability
    scores = ValidationScores(patients.y_score, patients.y_true, value.to_numpy(np.float64), bounded, below)
    return fit_calibration(calibrator, scores)


def save_json(folder: Path, name: str, content: Mapping[str, Any]) -> None:
    """Write a JSON file of a fold."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / name, json.dumps(content, indent=1, allow_nan=False) + "\n")


def load_calibration(folder: Path, calibrator: Calibrator) -> Calibration | Uncalibrated:
    """Read the calibration of a fold.

    Args:
        folder: Folder of the fold.
        calibrator: The calibrator of the run's objective.

    Raises:
        EchokitError: It is missing or damaged.
    """
    path = folder / CALIBRATION
    try:
        return calibration_from(json.loads(path.read_text(encoding="utf-8"))["calibration"], calibrator)
    except (OSError, ValueError, TypeError, KeyError, EchokitError) as error:
        raise EchokitError(
            f"the calibration cannot be read: {error}", where=str(path), code="fold.bad_calibration"
        ) from error


def summarize_targets(targets: Targets, rows: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Summarize training targets by class sizes and means.

    An objective needs no value of a case.
    """
    classes = [targets.value[rows][targets.y_true[rows] == label] for label in (0, 1)]
    return {
        "sizes": [len(values) for values in classes],
        "means": [float(values.mean()) for values in classes],
        "below": targets.below,
    }


def targets_like(summary: Mapping[str, Any]) -> Targets:
    """Create targets with a checkpoint's class sizes, to build its objective."""
    sizes = summary["sizes"]
    return Targets(
        np.repeat(np.array([0, 1], np.int64), sizes),
        np.repeat(np.array(summary["means"], np.float64), sizes),
        summary["below"],
    )


def subset(targets: Targets, rows: npt.NDArray[np.int64]) -> Targets:
    """Select the targets of some cases."""
    return replace(targets, y_true=targets.y_true[rows], value=targets.value[rows])
