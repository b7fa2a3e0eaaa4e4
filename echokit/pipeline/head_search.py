"""Search, train and score heads on a frozen backbone, fast enough to repeat thousands of times.

A nested run selects a configuration in every fold. A permutation test repeats the whole search on shuffled labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from echokit.data.cohort.cohort import Fold
from echokit.data.splits.stratify import Patients, stratified_folds
from echokit.errors import EchokitError
from echokit.pipeline.build_model import dropout_rate
from echokit.recipe.recipe import Recipe
from echokit.recipe.search import Candidate, searched_hyperparameters
from echokit.recipe.validate import configurations

if TYPE_CHECKING:
    from echokit.pipeline.frozen_backbone import Features, FrozenBackbone
    from echokit.training.heads.batched_heads import HeadPlan, HeadTask

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """The configuration selected in one fold.

    Attributes:
        configuration: The selected one.
        candidates: All configurations, in the order of the recipe.
        auroc: AUROC of each over the inner folds; None if no inner fold has both classes.
        n_inner_folds: Number of inner folds.
    """

    configuration: Candidate
    candidates: tuple[Candidate, ...]
    auroc: tuple[float | None, ...]
    n_inner_folds: int

    def to_dict(self) -> dict[str, Any]:
        """Convert to the JSON content of ``choice.json``."""
        return {
            "chosen": self.configuration.values,
            "tried": [
                {"values": one.values, "inner_auroc": auroc}
                for one, auroc in zip(self.candidates, self.auroc, strict=True)
            ],
        }


@dataclass(frozen=True)
class LabelledFold:
    """A fold with the labels of all cases.

    Attributes:
        y: (cases,) int64 class of each case.
        fold: Training and test set.
    """

    y: Integers
    fold: Fold


class HeadSearch:
    """Select, train and score heads on the features of a frozen backbone.

    Args:
        recipe: Its phases train the head alone; its resampler may name values to search.
        features: Features of all cases.
        patients: (cases,) patient of each case.

    Raises:
        EchokitError: Batched heads do not support the objective or the training settings.
    """

    def __init__(self, recipe: Recipe, features: Features, patients: npt.NDArray[Any]) -> None:
        from echokit.training.heads.batched_heads import check_batched_heads_supported

        self.candidates = configurations(recipe) if searched_hyperparameters(recipe) else (Candidate({}, recipe),)
        self.n_inner_folds = int(getattr(recipe.resample.values, "inner", 0))
        self.seed = recipe.seed
        self._features = features
        _, patient = np.unique(patients.astype(str), return_inverse=True)
        self._patient = patient.astype(np.int64)
        self._plans = [head_plan(one.recipe) for one in self.candidates]
        for one in self.candidates:
            check_batched_heads_supported(one.recipe.train, len(features.case))

    @property
    def is_search(self) -> bool:
        """Whether there is more than one configuration."""
        return len(self.candidates) > 1

    def choose(self, folds: Sequence[LabelledFold]) -> list[Choice]:
        """Select a configuration for each fold, using its training set alone.

        Raises:
            DataError: A training set has too few patients of a class for the inner folds.
        """
        if not self.is_search:
            return [Choice(self.candidates[0], self.candidates, (None,), 0) for _ in folds]
        inner = [self._inner_folds(labelled) for labelled in folds]
        tasks = [
            self._task(labelled.y, train) for labelled, parts in zip(folds, inner, strict=True) for train, _ in parts
        ]
        aurocs = []
        for plan in self._plans:
            scores = iter(self._score(plan, tasks))
            aurocs.append(
                [
                    self.auroc([(labelled.y, next(scores), test) for _, test in parts])
                    for labelled, parts in zip(folds, inner, strict=True)
                ]
            )
        return [self._best(values) for values in zip(*aurocs, strict=True)]

    def score(self, folds: Sequence[LabelledFold]) -> list[Floats]:
        """Select, train on the whole training set and score all cases, for each fold."""
        choices = self.choose(folds)
        scores: dict[int, Floats] = {}
        for number, candidate in enumerate(self.candidates):
            rows = [row for row, choice in enumerate(choices) if choice.configuration is candidate]
            tasks = [self._task(folds[row].y, folds[row].fold.train) for row in rows]
            scores |= dict(zip(rows, self._score(self._plans[number], tasks), strict=True))
        return [scores[row] for row in range(len(folds))]

    def auroc(self, parts: Sequence[tuple[Integers, Floats, Integers]]) -> float | None:
        """Compute the AUROC within parts; None if no part has both classes.

        Args:
            parts: For each part the classes (cases,), the scores (cases,) and the tested rows.
        """
        won, pairs = 0.0, 0
        for y, score, test in parts:
            patient, row = np.unique(self._patient[test], return_inverse=True)
            mean = np.bincount(row, score[test]) / np.bincount(row)
            positive = np.zeros(len(patient), bool)
            positive[row] = y[test] == 1
            difference = mean[positive][:, None] - mean[~positive][None]
            won += float((difference > 0).sum() + 0.5 * (difference == 0).sum())
            pairs += difference.size
        return won / pairs if pairs else None

    def _best(self, aurocs: Sequence[float | None]) -> Choice:
        ranked = [-1.0 if auroc is None else auroc for auroc in aurocs]
        best = max(range(len(ranked)), key=lambda number: (ranked[number], -number))
        return Choice(self.candidates[best], self.candidates, tuple(aurocs), self.n_inner_folds)

    def _inner_folds(self, labelled: LabelledFold) -> list[tuple[Integers, Integers]]:
        """Split a training set into training and test rows of inner folds."""
        train = labelled.fold.train
        numbers, patient = np.unique(self._patient[train], return_inverse=True)
        y = np.zeros(len(numbers), np.int64)
        np.maximum.at(y, patient, labelled.y[train])
        patients = Patients(numbers.astype(object), y, patient.astype(np.int64))
        parts = []
        for test in stratified_folds(patients, self.n_inner_folds, (self.seed, 0x1E5, labelled.fold.number)):
            tested = np.isin(patient, test)
            parts.append((train[~tested], train[tested]))
        return parts

    def _task(self, y: Integers, train: Integers) -> HeadTask:
        from echokit.training.heads.batched_heads import HeadTask

        return HeadTask(y, train)

    def _score(self, plan: HeadPlan, tasks: Sequence[HeadTask]) -> Floats:
        import torch

        from echokit.training.heads.batched_heads import train_and_score

        return train_and_score(
            plan,
            tasks,
            case=self._features.case,
            copies=torch.from_numpy(self._features.copies),
            scored_case=self._features.scored_case,
            scored=torch.from_numpy(self._features.scored),
            seed=self.seed,
        )


def head_search_for(recipe: Recipe, frozen: FrozenBackbone | None, patients: npt.NDArray[Any]) -> HeadSearch | None:
    """Create the head search of a recipe; None if it needs none.

    Raises:
        EchokitError: Batched heads do not support what the recipe names.
    """
    controls = recipe.controls
    if frozen and (searched_hyperparameters(recipe) or (controls and (controls.permutations or controls.single_frame))):
        return HeadSearch(recipe, frozen.features(), patients)
    return None


def head_plan(recipe: Recipe) -> HeadPlan:
    """Describe how a recipe's heads are trained.

    Raises:
        EchokitError: The objective is not the plain cross-entropy of two classes.
    """
    from echokit.training.heads.batched_heads import HeadPlan
    from echokit.training.objectives.cross_entropy import CrossEntropy

    objective = recipe.objective.build()
    if not isinstance(objective, CrossEntropy) or objective.label_smoothing or objective.focal:
        raise EchokitError(
            "batched heads are trained with cross-entropy only, without label smoothing and focal weighting",
            hint="objective: cross_entropy",
            where="objective",
            code="heads.objective",
        )
    balanced = objective.class_weights == "balanced"
    weights = objective.class_weights if isinstance(objective.class_weights, tuple) else (1.0, 1.0)
    return HeadPlan(
        recipe.train, dropout_rate(recipe), balanced, weights, objective.outputs, remove_shift=objective.remove_shift
    )
