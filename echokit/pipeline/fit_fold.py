"""Fit one fold: build its model, train it, score every case with the selected epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from echokit.data.cohort.cohort import SPLITS, Fold
from echokit.pipeline.build_model import build_model_from_recipe, dropout_rate, features_cache, fold_seed
from echokit.pipeline.epoch_metrics import epoch_metrics
from echokit.pipeline.fold_files import (
    CALIBRATION,
    CHOICE,
    WEIGHTS,
    FoldResult,
    calibrate,
    load_scores,
    save_json,
    save_scores,
    seal_fold,
    subset,
    summarize_targets,
)
from echokit.pipeline.fold_plan import FoldPlan
from echokit.pipeline.head_search import Choice, LabelledFold
from echokit.pipeline.initial_weights import training_history
from echokit.pipeline.prepared_cohort import PreparedCohort
from echokit.pipeline.score_rows import cohort_rows, score_rows
from echokit.recipe.recipe import Recipe
from echokit.results.run import Run
from echokit.system.progress import display
from echokit.training.objectives.objective import Objective

if TYPE_CHECKING:
    import pandas as pd

    from echokit.data.sampling.windows import Windows
    from echokit.models.echo_model import EchoModel
    from echokit.models.norm import Norm
    from echokit.models.weights.transfer import WeightReport
    from echokit.training.batches.batch_sources import ValidationOutputs
    from echokit.training.callback import TrainingCallback

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FoldModel:
    """The model of one fold before training.

    Attributes:
        model: The model.
        norms: Normalisation of each stream.
        report: Which initial weights were loaded; None if all weights are random.
    """

    model: EchoModel
    norms: Mapping[str, Norm]
    report: WeightReport | None


def fit_fold(plan: FoldPlan, fold: Fold, run: Run, callback: TrainingCallback) -> FoldResult:
    """Train one fold and score all of its cases.

    The result depends on the lock and the fold alone.

    Raises:
        EchokitError: The training failed in a way that the user can fix.
    """
    from echokit.training.context import FoldTask, TrainingContext
    from echokit.training.fit import fit
    from echokit.training.hardware.distributed import processes

    dataset, folder, phantom = plan.dataset, run.fold(fold.number), plan.lock.phantom
    choice = choose_configuration(plan, fold)
    recipe = choice.configuration.recipe if choice else plan.recipe
    objective: Objective = recipe.objective.build()(subset(dataset.targets, fold.train))
    start = start_model(plan, fold, recipe, objective)
    if start.report is not None and processes().is_main:
        _show_weights(start.report, show=fold.number == 0)
        save_json(folder, WEIGHTS, start.report.to_dict())
    task = FoldTask(dataset.clips, dataset.targets, fold, tuple(dataset.case_ids), dataset.sampler(fold))
    context = TrainingContext(
        recipe.train,
        recipe.seed,
        plan.compute,
        folder,
        resume=plan.resume,
        callback=callback,
        augment=tuple(use.build() for use in recipe.augment),
        metadata=checkpoint_facts(plan, fold, start.norms),
        norms_given=start.report is not None and start.report.batch_norms,
        cache=features_cache(recipe, shared=plan.shares_features, cases=len(dataset.cases)),
        backbone_hash=plan.frozen.hash if plan.frozen else None,
        metrics=epoch_metrics(dataset, fold, recipe, objective),
    )
    shorter = tuple(
        replace(
            context,
            settings=recipe.train.lasting(entry["epochs"]),
            metadata={**context.metadata, "recipe_hash": entry["recipe_hash"]},
        )
        for entry in plan.lock.extended
    )
    result = fit(start.model, objective, task, replace(context, extends=shorter))
    saved = load_scores(folder, fold_rows(dataset, fold)) if plan.resume else None
    scored_again = saved if isinstance(saved, str) else None
    if scored_again:
        callback.on_warning(f"the saved scores of fold {fold.number} are not used, it is scored again: {scored_again}")
    if saved is None or isinstance(saved, str):
        table = score_fold(plan, fold, start.model, objective, result.validated)
        if processes().is_main:
            save_scores(folder, table, phantom=phantom)
    else:
        table = saved
    calibration = calibrate(objective, table, below=dataset.targets.below)
    if processes().is_main:
        if choice is not None:
            save_json(folder, CHOICE, {"phantom": phantom, **choice.to_dict()})
        if calibration is not None:
            save_json(folder, CALIBRATION, {"phantom": phantom, "calibration": calibration.to_dict()})
        seal_fold(folder)
    return FoldResult(
        table=table,
        probability=objective.probability,
        threshold=float(objective.threshold),
        calibration=calibration,
        history=list(result.history),
        selected=result.selected,
        weights=start.report,
        choice=choice,
        scored_again=scored_again,
    )


def choose_configuration(plan: FoldPlan, fold: Fold) -> Choice | None:
    """Select a candidate inside the training set; None without a search."""
    if plan.head_search is None or not plan.head_search.is_search:
        return None
    return plan.head_search.choose([LabelledFold(plan.dataset.targets.y_true, fold)])[0]


def start_model(plan: FoldPlan, fold: Fold, recipe: Recipe, objective: Objective) -> FoldModel:
    """Build the model of a fold with its initial weights, normalisation and head.

    Args:
        plan: What all folds share.
        fold: Its training set gives the normalisation.
        recipe: The recipe of this fold; a search may have changed its dropout rate.
        objective: Gives the initial bias of the head.
    """
    from echokit.training.batches.batches import norm_statistics, select_cases

    seed, weights = fold_seed(recipe.seed, fold.number), plan.weights
    if plan.frozen is not None:
        start = FoldModel(plan.frozen.start_head(seed, dropout_rate(recipe)), plan.frozen.norms, plan.frozen.report)
    else:
        norms = norm_statistics(plan.dataset.clips, select_cases(plan.spec.windows, fold.train))
        norms = weights.norms(plan.spec.shapes, norms) if weights else norms
        model = build_model_from_recipe(recipe, plan.spec.shapes, plan.spec.outputs, norms, seed)
        start = FoldModel(model, norms, weights.load_into(model) if weights else None)
    if (bias := objective.initial_bias) and not (weights and weights.settings.head == "keep"):
        start.model.set_head_bias(bias)
    return start


def checkpoint_facts(plan: FoldPlan, fold: Fold, norms: Mapping[str, Norm]) -> dict[str, Any]:
    """Describe the weights of a fold: data, target, clips, shapes, norms."""
    lock, recipe = plan.lock, plan.recipe
    weights = lock.content["weights"]
    return {
        "weights": weights and {key: weights[key] for key in ("content", "phantom")},
        "history": training_history(plan.dataset.patients[np.concatenate([fold.train, fold.val])], plan.weights),
        "recipe_hash": lock.recipe_hash,
        "phantom": lock.phantom,
        "positive": recipe.target.positive,
        "target": recipe.target.definition,
        "clip": recipe.clip.to_dict(),
        "preprocess": [use.to_dict() for use in recipe.preprocess],
        "fold": fold.number,
        "shapes": {name: [s.channels, s.frames, s.height, s.width] for name, s in plan.spec.shapes.items()},
        "norms": {name: {"mean": list(norm.mean), "std": list(norm.std)} for name, norm in norms.items()},
        "train_targets": summarize_targets(plan.dataset.targets, fold.train),
    }


def score_fold(
    plan: FoldPlan, fold: Fold, model: EchoModel, objective: Objective, validated: ValidationOutputs | None = None
) -> pd.DataFrame:
    """Score every case of a fold: the rows of ``predictions.csv``.

    Args:
        plan: What all folds share.
        fold: The fold.
        model: With the weights of the selected epoch.
        objective: Computes scores from outputs.
        validated: The outputs of the validation of that epoch, which are not computed again if they are of the same
            windows.
    """
    import pandas as pd

    from echokit.training.scoring import score, scores_of

    windows = plan.dataset.windows("test")
    tables = []
    for split, rows in _sets(fold):
        chosen = _scored_windows(windows, split, rows)
        part = windows.at(chosen)
        if plan.frozen is not None:
            scores = scores_of(objective, part, plan.frozen.head_outputs(chosen))
        elif validated is not None and validated.windows.same_as(part):
            scores = scores_of(objective, part, validated.outputs)
        else:
            scores = score(
                model, objective, plan.dataset.clips, part, batch_size=plan.scored_at_a_time, compute=plan.compute
            )
        tables.append(score_rows(plan.dataset, split, fold, scores))
    return pd.concat(tables, ignore_index=True)


def fold_rows(dataset: PreparedCohort, fold: Fold) -> pd.DataFrame:
    """List the rows of a fold's ``predictions.csv``, without their scores."""
    import pandas as pd

    tables = [cohort_rows(dataset, split, fold, np.unique(rows)) for split, rows in _sets(fold)]
    return pd.concat(tables, ignore_index=True)


def _scored_windows(windows: Windows, split: str, rows: Integers) -> Integers:
    """Find the positions of a set's windows among those of split "test".

    None of them is random. A calibration or a threshold of the validation set is for scores of the test set, so both
    sets have all windows. The training set only shows overfitting: one window of each case is enough.
    """
    positions = np.flatnonzero(np.isin(windows.case, rows))
    return positions[windows.at(positions).middle()] if split == "train" else positions


def _sets(fold: Fold) -> list[tuple[str, Integers]]:
    """Return the sets of a fold that have cases, by name."""
    return [(split, rows) for split, rows in zip(SPLITS, (fold.train, fold.val, fold.test), strict=True) if len(rows)]


def _show_weights(report: WeightReport, *, show: bool) -> None:
    """Show which weights were loaded, once for all folds."""
    if show:
        for line in str(report).splitlines():
            display().show_message(f"weights: {line}")
        if report.warning:
            display().show_message(f"WARNING: {report.warning}")
