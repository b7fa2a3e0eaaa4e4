"""One fold: build the model, train it, score every case with the weights that were kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from echokit.cohort.cohort import SPLITS, Fold
from echokit.errors import DataError
from echokit.fingerprint import digest
from echokit.fold_calibration import calibrate, keep_calibration
from echokit.fold_scores import keep_scores, read_scores
from echokit.models.shape import InputShape
from echokit.objectives.calibration import Calibration, Uncalibrated
from echokit.objectives.objective import Targets, initial_bias_of, threshold_of
from echokit.progress import display
from echokit.recipe.recipe import Recipe
from echokit.sampling.windows import Windows
from echokit.workspace import workspace

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from echokit.frozen import FrozenBackbone
    from echokit.models.echo_model import EchoModel
    from echokit.models.norm import Norm
    from echokit.models.transfer import WeightReport
    from echokit.prepared import PreparedClips
    from echokit.procedure import Choice, HeadProcedure
    from echokit.starting_weights import StartingWeights
    from echokit.training.device import Precision
    from echokit.training.features import FeatureCache
    from echokit.training.keep import Kept
    from echokit.training.scoring import Scores
    from echokit.training.watch import Watch


@dataclass(frozen=True)
class Material:
    """What every fold is made from.

    Attributes:
        cases: The cohort's prepared cases; positions below count its rows.
        clips: Their prepared clips, in the same order.
        targets: What is to be learned, in the same order.
    """

    cases: pd.DataFrame
    clips: PreparedClips
    targets: Targets


@dataclass(frozen=True)
class Compute:
    """Where and how is computed."""

    device: torch.device
    precision: Precision


@dataclass(frozen=True)
class FoldResult:
    """What a fold leaves.

    Attributes:
        table: Rows of ``predictions.csv``, with the scores as the objective gives them.
        probability: Whether these scores are probabilities.
        threshold: Score at and above which a case is called positive.
        calibration: Turns these scores into probabilities, or says why there is none; None where none was asked for.
        history: One record an epoch.
        kept: The epoch whose weights were kept.
        weights: What became of the starting weights; None where the model started anew.
        choice: The configuration that was chosen inside the fold, where the recipe searches.
    """

    table: pd.DataFrame
    probability: bool
    threshold: float
    calibration: Calibration | Uncalibrated | None
    history: list[Mapping[str, Any]]
    kept: Kept
    weights: WeightReport | None = None
    choice: Choice | None = None


def check_fold(fold: Fold, targets: Targets, patients: npt.NDArray[Any]) -> None:
    """Refuse a fold that can not be learned from, or that leaks.

    Raises:
        DataError: The training part lacks a class, or a patient is in two parts.
    """
    events = int(targets.y_true[fold.train].sum())
    if events in (0, len(fold.train)):
        raise DataError(
            f"all {len(fold.train)} training cases of fold {fold.number} are of one class",
            hint="check target, or divide the cohort in another way",
            where="resample",
        )
    parts = [set(patients[rows]) for rows in (fold.train, fold.val, fold.test)]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        both = parts[first] & parts[second]
        if both:
            raise DataError(
                f"{len(both)} patients are in the {SPLITS[first]} and the {SPLITS[second]} part of fold {fold.number}, "
                f"for example {sorted(both)[0]!r}",
                where="resample",
            )


def shapes_of(clips: PreparedClips, frames: int) -> dict[str, InputShape]:
    """Shapes of the streams of a window of that many frames."""
    height, width = clips.size
    return {
        stream: InputShape(channels, frames if stream == "video" else frames - 1, height, width)
        for stream, channels in clips.channels.items()
    }


def assemble(
    recipe: Recipe, shapes: Mapping[str, InputShape], outputs: int, norms: Mapping[str, Norm], seed: int
) -> EchoModel:
    """Build the model of a recipe."""
    from echokit.models.echo_model import build_model

    return build_model(recipe.fusion.build(), recipe.backbone.build(), shapes, outputs, norms, seed)


def fit_fold(
    recipe: Recipe,
    material: Material,
    fold: Fold,
    compute: Compute,
    directory: Path,
    *,
    resume: bool,
    watch: Watch,
    lock_facts: Mapping[str, Any],
    weights: StartingWeights | None = None,
    frozen: FrozenBackbone | None = None,
    procedure: HeadProcedure | None = None,
    together: bool = False,
) -> FoldResult:
    """Train one fold and score all of its cases: a pure function of the lock and the fold.

    Args:
        recipe: The recipe as it runs.
        material: Cases, clips and targets.
        fold: Which cases are for what.
        compute: Device and precision.
        directory: Where its checkpoints go.
        resume: Go on from its last checkpoint.
        watch: Told of steps and epochs.
        lock_facts: Put into every checkpoint, so that weights explain themselves.
        weights: To start from; None to start anew.
        frozen: The backbone that all folds share, where none of them trains it.
        procedure: Chooses a configuration inside the fold, where the recipe searches.
        together: Whether features are computed for all cases at once, because other folds need them too.

    Raises:
        DataError: The fold can not be learned from, or the weights have seen its test patients.
        EchokitError: The training failed in a way that the user can mend.
    """
    from echokit.training.data import norm_statistics, of_cases
    from echokit.training.loop import fit
    from echokit.training.processes import processes
    from echokit.training.scoring import score, scores_of_cases

    check_fold(fold, material.targets, material.cases["patient_id"].to_numpy())
    choice = procedure.choose_for(material.targets.y_true, fold) if procedure and procedure.searches else None
    if choice is not None:
        recipe = choice.configuration.recipe
    sampler = recipe.clip.build()
    seed = fold_seed(recipe.seed, fold.number)
    objective = recipe.objective.build()(_subset(material.targets, fold.train))
    if weights is not None:
        weights.require_apart(material.cases["patient_id"].to_numpy()[fold.test])
    shapes: Mapping[str, InputShape]
    norms: Mapping[str, Norm]
    report: WeightReport | None
    if frozen is not None:
        shapes, norms, report = frozen.shapes, frozen.norms, frozen.report
        model = frozen.start(seed, dropout_of(recipe))
    else:
        windows: Windows = sampler(material.clips.lengths, "train", 0, recipe.seed)
        shapes = shapes_of(material.clips, windows.frames.shape[1])
        norms = norm_statistics(material.clips, of_cases(windows, fold.train))
        norms = weights.norms(shapes, norms) if weights else norms
        model = assemble(recipe, shapes, objective.outputs, norms, seed)
        report = weights.put_into(model) if weights else None
    if (bias := initial_bias_of(objective)) and not (weights and weights.settings.head == "keep"):
        model.start_at(bias)
    if report is not None and processes().first:
        _tell(report, directory / "starting_weights.json", say=fold.number == 0)
    facts = {
        **lock_facts,
        "fold": fold.number,
        "shapes": {name: [s.channels, s.frames, s.height, s.width] for name, s in shapes.items()},
        "norms": {name: {"mean": list(norm.mean), "std": list(norm.std)} for name, norm in norms.items()},
        "train_targets": _summary(material.targets, fold.train),
    }
    result = fit(
        model,
        objective,
        material.clips,
        material.targets,
        fold,
        sampler,
        recipe.train,
        seed=recipe.seed,
        device=compute.device,
        directory=directory,
        resume=resume,
        watch=watch,
        augment=[use.build() for use in recipe.augment],
        case_ids=material.cases["case_id"].tolist(),
        metadata=facts,
        norms_given=report is not None and report.batch_norms,
        cache=features_cache(recipe, together=together, cases=len(material.cases)),
        backbone=frozen.hash if frozen else None,
    )
    known = {str(case) for case in material.cases["case_id"].iloc[np.concatenate([fold.train, fold.val, fold.test])]}
    table = read_scores(directory, known) if resume else None
    if table is None:
        batch_size = recipe.train.eval_batch_size or recipe.train.batch_size

        def scores_of(rows: npt.NDArray[np.int64]) -> Scores:
            if frozen is not None:
                return scores_of_cases(objective, *frozen.answers(rows))
            # The part is named "test" for the sampler throughout: scores of the training part are without chance too.
            return score(
                model,
                objective,
                material.clips,
                of_cases(sampler(material.clips.lengths, "test", 0, recipe.seed), rows),
                batch_size=batch_size,
                device=compute.device,
                precision=compute.precision,
            )

        table = score_table(material, fold, scores_of)
        if processes().first:
            keep_scores(directory, table, phantom=bool(lock_facts.get("phantom")))
    calibration = calibrate(objective, table)
    if choice is not None and processes().first:
        choice.keep(directory, phantom=bool(lock_facts.get("phantom")))
    if calibration is not None and processes().first:
        keep_calibration(directory, calibration, phantom=bool(lock_facts.get("phantom")))
    return FoldResult(
        table,
        objective.probability,
        threshold_of(objective),
        calibration,
        list(result.history),
        result.kept,
        report,
        choice,
    )


def _tell(report: WeightReport, path: Path, *, say: bool) -> None:
    for line in str(report).splitlines() if say else ():  # once a run: it is the same in every fold
        display().say(f"weights: {line}")
    if say and report.warning:
        display().say(f"WARNING: {report.warning}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report.plain(), indent=1) + "\n", encoding="utf-8")


def features_cache(recipe: Recipe, *, together: bool, cases: int) -> FeatureCache:
    """Where features are kept, and what they depend on beside weights, clips and windows: components and their code.

    Args:
        recipe: Its fusion, backbone and augmentations compute features; dropout comes after them.
        together: Whether they are computed for all cases at once.
        cases: How many there are.
    """
    from echokit.training.features import FeatureCache

    uses = (recipe.fusion, recipe.backbone, *recipe.augment)
    code = [use.component.code_hash() for use in uses]
    model = [use.plain() | {"dropout": None} for use in uses[:2]]
    identity = digest([model, [use.plain() for use in recipe.augment], code])
    return FeatureCache(workspace() / "features", identity, np.arange(cases) if together else None)


def dropout_of(recipe: Recipe) -> float:
    """FC dropout of a recipe's model: what its fusion drops before the head."""
    return float(getattr(recipe.fusion.values, "dropout", 0.0))


def fold_seed(seed: int, fold: int) -> int:
    """Seed of one fold's model: folds start from different weights."""
    return int(np.random.SeedSequence([seed, fold]).generate_state(1)[0])


def _subset(targets: Targets, rows: npt.NDArray[np.int64]) -> Targets:
    return replace(targets, y_true=targets.y_true[rows], value=targets.value[rows])


def _summary(targets: Targets, rows: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Class sizes and class means of the training targets: what an objective needs of them, and no case's value."""
    classes = [targets.value[rows][targets.y_true[rows] == label] for label in (0, 1)]
    return {
        "sizes": [len(values) for values in classes],
        "means": [float(values.mean()) for values in classes],
        "below": targets.below,
    }


def targets_like(summary: Mapping[str, Any]) -> Targets:
    """Targets with the class sizes and means that a checkpoint tells: its objective is made again from them."""
    sizes = summary["sizes"]
    return Targets(
        np.repeat(np.array([0, 1], np.int64), sizes),
        np.repeat(np.array(summary["means"], np.float64), sizes),
        summary["below"],
    )


def score_table(material: Material, fold: Fold, scores_of: Callable[[npt.NDArray[np.int64]], Scores]) -> pd.DataFrame:
    """Rows of ``predictions.csv`` for all parts of a fold.

    Args:
        material: Cases and targets.
        fold: Its parts.
        scores_of: Scores the cases of one part.
    """
    import pandas as pd

    tables = []
    for split, rows in zip(SPLITS, (fold.train, fold.val, fold.test), strict=True):
        if len(rows):
            scores = scores_of(rows)
            tables.append(_table(material, split, fold, scores.case, scores.score, scores.prediction))
    return pd.concat(tables, ignore_index=True)


def _table(
    material: Material,
    split: str,
    fold: Fold,
    rows: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float64],
    predictions: npt.NDArray[np.float64] | None,
) -> pd.DataFrame:
    import pandas as pd

    cases = material.cases.iloc[rows]
    table = pd.DataFrame(
        {
            "case_id": cases["case_id"].to_numpy(),
            "patient_id": cases["patient_id"].to_numpy(),
            "split": split,
            "repeat": fold.repeat,
            "fold": fold.number,
            "y_true": material.targets.y_true[rows],
            "y_score": scores,
        }
    )
    if material.targets.quantity:
        table["target"] = material.targets.value[rows]
    if predictions is not None:
        table["prediction"] = predictions
    return table
