"""Evaluators that select the epoch: tried before training, measured after each epoch.

The number is that of the evaluation: averaged by patient, at the threshold of the objective, and not yet calibrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from echokit.data.cohort.cohort import Fold
from echokit.errors import EchokitError
from echokit.evaluation.one_metric import one_metric
from echokit.evaluation.predictions import Predictions
from echokit.pipeline.fold_files import subset
from echokit.pipeline.prepared_cohort import LabelledCohort
from echokit.pipeline.score_rows import score_rows
from echokit.recipe.recipe import Recipe

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from echokit.evaluation.evaluator import Evaluator
    from echokit.training.epoch_metric import EpochMetric
    from echokit.training.objectives.objective import Objective
    from echokit.training.scoring import Scores

TRIED = 40
"""Patients of each class in the trial of an evaluator."""


def epoch_metrics(cohort: LabelledCohort, fold: Fold, recipe: Recipe, objective: Objective) -> tuple[EpochMetric, ...]:
    """Prepare the numbers that ``keep`` and ``early_stop`` follow.

    Args:
        cohort: Its cases are validated.
        fold: The fold.
        recipe: Of this fold.
        objective: Gives the threshold, and says whether the score is a probability.
    """
    from echokit.training.epoch_metric import EpochMetric

    metrics = []
    for name, use in recipe.epoch_metrics.items():
        evaluator = use.build()
        measure = partial(_measure, use.component.full_name, evaluator, cohort, fold, objective)
        metrics.append(EpochMetric(name, evaluator.larger_is_better, measure))
    return tuple(metrics)


def try_epoch_metrics(cohort: LabelledCohort, folds: Sequence[Fold]) -> list[str]:
    """Try the evaluators of ``keep`` and ``early_stop`` with made-up scores.

    Returns:
        Warnings about validation sets that leave one undefined.

    Raises:
        EchokitError: One gives not one number, or is undefined for the scores of this objective.
    """
    recipe = cohort.recipe
    warnings = []
    for place, name in recipe.train.evaluators().items():
        use = recipe.epoch_metrics[f"val_{name}"]
        full_name, evaluator = use.component.full_name, use.build()
        objectives = [recipe.objective.build()(subset(cohort.targets, fold.train)) for fold in folds]
        try:
            usual = one_metric(full_name, evaluator, _crowd(cohort, folds[0], objectives[0]))
            if usual.value is None:
                raise EchokitError(
                    f"val_{name} with the objective {recipe.objective.name!r} is {usual.interval or 'undefined'}",
                    hint="name an evaluator that is defined for its scores, such as val_auprc",
                    code="train.metric_undefined",
                )
        except EchokitError as error:
            where = str(recipe.tree.at(("train", *place)).origin)
            raise EchokitError(error.message, hint=error.hint, where=where, code=error.code) from None
        undefined = 0
        for fold, objective in zip(folds, objectives, strict=True):
            scores = _made_up(cohort, np.unique(fold.val), objective)
            undefined += len(fold.val) > 0 and _measure(full_name, evaluator, cohort, fold, objective, scores) is None
        if undefined:
            sets = f"the validation set of {undefined} of {len(folds)} folds"
            then = "keep selects the last epoch there" if place == ("keep",) else "early_stop sees no improvement there"
            warnings.append(f"val_{name} is undefined on {sets}: {then}")
    return warnings


def _measure(
    name: str, evaluator: Evaluator, cohort: LabelledCohort, fold: Fold, objective: Objective, scores: Scores
) -> float | None:
    table = score_rows(cohort, "val", fold, scores)
    return one_metric(name, evaluator, _predictions(table, cohort, objective)).value


def _predictions(table: pd.DataFrame, cohort: LabelledCohort, objective: Objective) -> Predictions:
    positive, threshold = cohort.recipe.target.positive, float(objective.threshold)
    return Predictions(table, positive, threshold, objective.probability)


def _crowd(cohort: LabelledCohort, fold: Fold, objective: Objective) -> Predictions:
    """Make patients up, as many of each class, with the values of the cohort."""
    y = cohort.targets.y_true
    rows = np.concatenate([np.resize(np.flatnonzero(y == label), TRIED) for label in (0, 1)])
    table = score_rows(cohort, "val", fold, _made_up(cohort, rows, objective))
    names = [f"made up {number}" for number in range(len(rows))]
    return _predictions(table.assign(case_id=names, patient_id=names), cohort, objective)


def _made_up(cohort: LabelledCohort, rows: npt.NDArray[np.int64], objective: Objective) -> Scores:
    """Make scores up, on both sides of the threshold in each class."""
    import torch

    from echokit.training.scoring import Scores

    y, value = cohort.targets.y_true[rows], cohort.targets.value[rows]
    nth = np.where(y == 1, np.cumsum(y), np.cumsum(1 - y))
    side = np.where(nth % 2, -0.25, 0.25) + 0.1 * np.sin(np.arange(len(rows)))
    score = objective.threshold + side
    if objective.probability:
        score = score.clip(0.01, 0.99)
    estimates = objective.predict(torch.zeros(1, objective.outputs)) is not None
    prediction = value + side if estimates else None
    return Scores(rows, score, prediction, np.arange(len(rows)), score, prediction)
