"""Preflight: every check before training, so that a mistake costs seconds and not a night.

`preflight` checks what is known before a video is opened; ``--dry-run`` ends after it. `check_prepared`, `check_budget`
and `check_controls` need prepared clips.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from echokit.data.clips.prepare_video import columns_of
from echokit.data.cohort.cohort import Fold
from echokit.data.splits.leakage import check_fold, refuse_leaks
from echokit.errors import DataError, EchokitError
from echokit.models.input_shape import InputShape
from echokit.models.norm import raw
from echokit.pipeline.build_model import ModelSpec, build_model_from_recipe, infer_input_shapes
from echokit.pipeline.clip_seconds import clip_seconds, format_duration
from echokit.pipeline.cohort_stage import known_of_cases, place_of
from echokit.pipeline.covariates import covariate_columns
from echokit.pipeline.epoch_metrics import try_epoch_metrics
from echokit.pipeline.frozen_backbone import FrozenBackbone, trains_only_heads
from echokit.pipeline.initial_weights import InitialWeights, pin_initial_weights
from echokit.pipeline.prepared_cohort import LabelledCohort, PreparedCohort
from echokit.pipeline.resume_run import check_resume
from echokit.pipeline.session import Session
from echokit.recipe.recipe import Recipe
from echokit.recipe.search import searched_hyperparameters

if TYPE_CHECKING:
    import numpy.typing as npt

    from echokit.data.cohort.targets import Targets
    from echokit.models.echo_model import EchoModel
    from echokit.training.hardware.device import Compute

FROZEN = "train.phases: [{name: head, train: [head], epochs: 20}]"


@dataclass(frozen=True)
class CheckedCohort:
    """A cohort that passed every check before preparing.

    Attributes:
        cohort: The cohort; its recipe names the exact initial weights.
        weights: Initial weights; None to start from random ones.
        folds: All folds, if every video can be prepared.
        shapes: Input shapes of the model, if the recipe alone gives them.
    """

    cohort: LabelledCohort
    weights: InitialWeights | None
    folds: tuple[Fold, ...]
    shapes: Mapping[str, InputShape] | None

    def missing_videos(self) -> list[str]:
        """List the cases whose video does not exist."""
        return missing_videos(self.cohort)


def preflight(cohort: LabelledCohort, session: Session) -> CheckedCohort:
    """Check everything that is known before a video is opened.

    Raises:
        EchokitError: The initial weights are missing or were trained on test patients, the run to resume cannot be
            continued with this recipe, the file of a component cannot be read, the model cannot be built, a fold
            cannot be trained, there is no such fold, or a control names a column that the cohort lacks.
    """
    cohort, weights = pin_initial_weights(cohort, session.request)
    recipe = cohort.recipe
    if extension := check_resume(session.request, recipe):
        session.warn([extension])
    shapes = check_recipe(recipe, session)
    known_of_cases(cohort, [column for use in recipe.preprocess for column in columns_of(use.build())])
    check_missing(cohort)
    folds = cohort.draw_folds()
    check_folds(cohort, folds, weights)
    session.warn([*one_class_warnings(recipe, folds, cohort.targets), *unused_aggregators(recipe, folds)])
    session.warn(try_epoch_metrics(cohort, folds))
    numbers, only_fold = [fold.number for fold in folds], session.request.only_fold
    if only_fold is not None and only_fold not in numbers:
        raise EchokitError(
            f"there is no fold {only_fold}",
            hint=f"the folds are {numbers[0]} to {numbers[-1]}",
            where="--fold",
            code="fold.unknown",
        )
    for columns in recipe.controls.covariates.values() if recipe.controls else ():
        covariate_columns(cohort.cohort.cases, columns)
    return CheckedCohort(cohort, weights, folds, shapes)


def check_recipe(recipe: Recipe, session: Session) -> Mapping[str, InputShape] | None:
    """Check what needs no data: files, number format and model.

    Returns:
        Input shapes of the model, if the recipe alone gives them.

    Raises:
        EchokitError: The file of a component cannot be read, the device lacks the number format, or the model cannot
            be built or cannot take the clips.
    """
    from echokit.training.hardware.device import choose_precision

    recipe.check_files()
    choose_precision(session.device, recipe.train.precision)
    shapes = infer_input_shapes(recipe)
    if shapes is not None:
        check_model(recipe, shapes)
    return shapes


def missing_videos(cohort: LabelledCohort) -> list[str]:
    """List the cases whose video does not exist."""
    cases = cohort.cohort.cases
    sources = zip(cases["case_id"], cases["source"], strict=True)
    return [str(case) for case, source in sources if not Path(source).exists()]


def check_missing(cohort: LabelledCohort) -> None:
    """Refuse a cohort of which too many videos do not exist.

    Raises:
        DataError: More are missing than ``data.max_unreadable`` allows.
    """
    missing, n, allowed = missing_videos(cohort), len(cohort.cohort), cohort.recipe.max_unreadable
    if len(missing) / n > allowed:
        raise DataError(
            f"{len(missing):,} of {n:,} videos are missing, more than data.max_unreadable ({allowed:.0%}): for example "
            f"that of {place_of(cohort.cohort, missing[0])}",
            hint="is the drive connected? Correct the paths, exclude the cases (data.exclude), or allow more",
            where="data",
            code="data.too_many_missing",
        )


def one_class_warnings(recipe: Recipe, folds: Sequence[Fold], targets: Targets) -> list[str]:
    """Describe validation and test sets of one class.

    Test sets are taken together: many resamplers leave out one patient at a time.
    """
    warnings = []
    alone = sum(_has_one_class(targets, fold.val) for fold in folds)
    if alone and recipe.train.keep in ("best_val_auroc", "val_auroc"):
        warnings.append(
            f"the validation set of {alone} of {len(folds)} folds has one class, so its AUROC is undefined: "
            f"keep: {recipe.train.keep} selects the last epoch there"
        )
    elif alone:
        warnings.append(f"the validation set of {alone} of {len(folds)} folds has one class: its AUROC is undefined")
    tested = np.concatenate([fold.test for fold in folds])
    if _has_one_class(targets, tested):
        known = recipe.target.positive if targets.y_true[tested[0]] else f"not {recipe.target.positive}"
        warnings.append(
            f"all {len(tested)} test cases are of one class ({known}): AUROC and other metrics of both classes are "
            "undefined"
        )
    return warnings


def unused_aggregators(recipe: Recipe, folds: Sequence[Fold]) -> list[str]:
    """Name the aggregators that have nothing to combine."""
    names = ", ".join(use.name for use in recipe.aggregators)
    return [f"there is one fold, so these add nothing: {names}"] if names and len(folds) == 1 else []


def _has_one_class(targets: Targets, rows: npt.NDArray[np.int64]) -> bool:
    return len(rows) > 0 and len(np.unique(targets.y_true[rows])) == 1


def check_folds(cohort: LabelledCohort, folds: Sequence[Fold], weights: InitialWeights | None) -> None:
    """Refuse folds that cannot be trained or that leak patients.

    Raises:
        EchokitError: A training set has one class, a patient is in two sets, the keep rule needs a validation set that
            is missing, or the initial weights were trained on test patients.
    """
    from echokit.training.checkpoints.epoch_selection import require_validation

    for fold in folds:
        check_fold(fold, cohort.targets, cohort.patients)
        require_validation(cohort.recipe.train.keep, len(fold.val))
        if weights is not None:
            weights.check_no_test_overlap(cohort.patients[fold.test])


def check_model(recipe: Recipe, shapes: Mapping[str, InputShape]) -> None:
    """Build the model of a recipe once, to refuse a name, a size or a part early.

    Args:
        recipe: Its fusion and backbone are built; the parts that ``train`` names must exist.
        shapes: Shape of each input stream.

    Raises:
        EchokitError: The model cannot be built, cannot take the clips, or has no such part.
    """
    from echokit.training.model_parts import require_parts

    norms = {stream: raw(shape.channels) for stream, shape in shapes.items()}
    model = build_model_from_recipe(recipe, shapes, 1, norms, recipe.seed)
    check_forward(model, shapes)
    parts = [part for phase in recipe.train.phases or () for part in phase.train]
    require_parts(model, parts, "train.phases")
    require_parts(model, recipe.train.l1.on if recipe.train.l1 else (), "train.l1.on")


def check_forward(model: EchoModel, shapes: Mapping[str, InputShape]) -> None:
    """Refuse a network whose layers do not fit the clips.

    The pass runs on shapes alone. If that fails, one on the CPU decides: some networks compute with values.
    """
    import torch

    from echokit.models.cost import multiply_adds
    from echokit.plugins.foreign_code import describe_exception

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            multiply_adds(model, shapes)
            return
        except Exception:
            streams = {s: torch.zeros(2, v.channels, v.frames, v.height, v.width) for s, v in shapes.items()}
            valid = {s: torch.ones(2, v.frames, dtype=torch.bool) for s, v in shapes.items()}
        try:
            model(streams, valid)
        except EchokitError:
            raise
        except Exception as error:
            clips = " and ".join(f"{s}: {v.frames} frames of {v.height} x {v.width}" for s, v in shapes.items())
            raise EchokitError(
                f"the network cannot take the clips ({clips}): {describe_exception(error)}",
                hint="change clip.frames, the size of resize, or model.backbone",
                where="model",
                code="model.cannot_take_clips",
            ) from error


def check_prepared(
    checked: CheckedCohort, dataset: PreparedCohort, spec: ModelSpec, folds: Sequence[Fold]
) -> list[str]:
    """Check again what unusable videos may have changed, and what only the clips show.

    Returns:
        Warnings about recordings that occur more than once.

    Raises:
        EchokitError: The model cannot take the clips, a fold cannot be trained, or a recording is in two sets of it.
    """
    if checked.shapes is None:
        check_model(dataset.recipe, spec.shapes)
    if folds is not checked.folds:
        check_folds(dataset, folds, checked.weights)
    by_patient = not dataset.recipe.resample.component.is_built_in("official")
    return refuse_leaks(dataset.cases, dataset.clips.headers, folds, by_patient=by_patient)


def check_controls(dataset: PreparedCohort, frozen: FrozenBackbone | None, weights: InitialWeights | None) -> None:
    """Refuse controls that need what the run does not have.

    Raises:
        EchokitError: The backbone is not frozen, or the initial weights have no head.
    """
    settings = dataset.recipe.controls
    if settings is None:
        return
    for name in ("permutations", "predicted_ef", "single_frame"):
        if getattr(settings, name) and frozen is None:
            raise EchokitError(
                "this control needs a backbone that no phase trains, and weights that it comes from",
                hint=FROZEN,
                where=f"controls.{name}",
                code="controls.not_frozen",
            )
    if settings.predicted_ef and not (weights and {"head.weight", "head.bias"} <= set(weights.tensors)):
        raise EchokitError(
            "the initial weights have no head, so they predict nothing",
            hint="start from a run, or remove the control",
            where="controls.predicted_ef",
            code="controls.no_head",
        )


def count_models(recipe: Recipe, folds: int) -> int:
    """Count the models of a recipe that needs a frozen backbone, else 0.

    Args:
        recipe: The recipe.
        folds: Number of folds.
    """
    shuffles = recipe.controls.permutations if recipe.controls else 0
    if not shuffles and not getattr(recipe.resample.component.load(), "frozen_only", False):
        return 0
    configurations = math.prod(len(values) for values in searched_hyperparameters(recipe).values())
    inner = int(getattr(recipe.resample.values, "inner", 0)) if configurations > 1 else 0
    per_fold = configurations * inner + 1
    repeats = int(getattr(recipe.resample.values, "repeats", 1))
    permuted = min(recipe.controls.permutation_repeats, repeats) if recipe.controls else 0
    return per_fold * (folds + shuffles * permuted * folds // repeats)


def check_budget(models: int, dataset: PreparedCohort, spec: ModelSpec, fold: Fold, compute: Compute) -> None:
    """Refuse to train so many whole models, and estimate how long it would take.

    Raises:
        EchokitError: Always.
    """
    from echokit.training.phases import plan_phases

    recipe = dataset.recipe
    subject = f"the resampler {recipe.resample.name!r}"
    if recipe.controls and recipe.controls.permutations:
        subject += f" with {recipe.controls.permutations} permutations"
    if trains_only_heads(recipe.train):
        raise EchokitError(
            f"{subject} trains {models:,} heads on one backbone, and here every fold has another one: it starts from "
            "random weights or is normalised by its own training set",
            hint="start from weights of the whole backbone that carry their normalisation: model.weights: run:NAME",
            where="model.weights",
            code="budget.several_backbones",
        )
    phases = plan_phases(recipe.train, norms_given=False, cases=len(fold.train))
    clip = max(clip_seconds(dataset, spec, fold, compute, phases).train.values())
    seconds = models * recipe.train.epochs * len(fold.train) * clip
    raise EchokitError(
        f"{subject} trains {models:,} models; with the whole network this would take about {format_duration(seconds)} "
        f"on this machine ({recipe.train.epochs} epochs of {len(fold.train)} clips each; one step was measured)",
        hint=f"freeze the backbone: {FROZEN}",
        where="train.phases",
        code="budget.whole_models",
    )
