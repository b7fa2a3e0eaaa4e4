"""The procedure that a frozen backbone allows to repeat by the thousand: choose a configuration, train a head, score.

A nested run chooses by it in every fold; a permutation test repeats all of it on shuffled labels, choice included.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from echokit.cohort.cohort import Fold
from echokit.recipe.recipe import Recipe
from echokit.recipe.search import Configuration, configurations, search_of
from echokit.resample.patients import Patients, stratified_folds

if TYPE_CHECKING:
    from echokit.frozen import Features, FrozenBackbone
    from echokit.training.many_heads import HeadPlan, HeadTask

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
FILE = "choice.json"


@dataclass(frozen=True)
class Choice:
    """What a fold chose.

    Attributes:
        configuration: The chosen one.
        tried: All of them, in the order of the recipe.
        auroc: Of each within the inner folds; None where no inner fold has both classes.
        inner: Inner folds.
    """

    configuration: Configuration
    tried: tuple[Configuration, ...]
    auroc: tuple[float | None, ...]
    inner: int

    def keep(self, directory: Path, *, phantom: bool) -> None:
        """Write it beside the checkpoint of its fold, as ``choice.json``."""
        from echokit.files import write_text

        write_text(directory / FILE, json.dumps({"phantom": phantom, **self.plain()}, indent=1) + "\n")

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "chosen": self.configuration.values,
            "tried": [
                {"values": one.values, "inner_auroc": auroc} for one, auroc in zip(self.tried, self.auroc, strict=True)
            ],
        }


@dataclass(frozen=True)
class Division:
    """Labels and one fold of them.

    Attributes:
        y: (cases,) int64 classes of all cases.
        fold: Training and test part.
    """

    y: Integers
    fold: Fold


class HeadProcedure:
    """Choose, train and score heads on the features of a frozen backbone.

    Args:
        recipe: Its phases train the head alone; what its resampler searches is chosen.
        features: Of all cases.
        patients: (cases,) patient of each case.

    Raises:
        EchokitError: The objective or the training is one that heads trained many at once do not know.
    """

    def __init__(self, recipe: Recipe, features: Features, patients: npt.NDArray[Any]) -> None:
        from echokit.training.many_heads import require_plain

        self.tried = configurations(recipe) if search_of(recipe) else (Configuration({}, recipe),)
        self.inner = int(getattr(recipe.resample.values, "inner", 0))
        self.seed = recipe.seed
        self._features = features
        _, of_case = np.unique(patients.astype(str), return_inverse=True)
        self._of_case = of_case.astype(np.int64)
        self._plans = [plan_of(one.recipe) for one in self.tried]
        for one in self.tried:
            require_plain(one.recipe.train, len(features.case))

    @property
    def searches(self) -> bool:
        """Whether there is more than one configuration."""
        return len(self.tried) > 1

    def choose_for(self, y: Integers, fold: Fold) -> Choice:
        """Choose a configuration for one fold."""
        return self.choose([Division(y, fold)])[0]

    def choose(self, divisions: Sequence[Division]) -> list[Choice]:
        """Choose a configuration for each division, within its training part alone.

        Raises:
            DataError: A training part has too few patients of a class for the inner folds.
        """
        if len(self.tried) == 1:
            return [Choice(self.tried[0], self.tried, (None,), 0) for _ in divisions]
        inner = [self._inner(division) for division in divisions]
        tasks = [
            self._task(division.y, train)
            for division, parts in zip(divisions, inner, strict=True)
            for train, _ in parts
        ]
        aurocs = []
        for plan in self._plans:
            scores = iter(self._score(plan, tasks))
            aurocs.append(
                [
                    self.auroc([(division.y, next(scores), test) for _, test in parts])
                    for division, parts in zip(divisions, inner, strict=True)
                ]
            )
        return [self._best(values) for values in zip(*aurocs, strict=True)]

    def score(self, divisions: Sequence[Division]) -> list[Floats]:
        """Choose, train on the whole training part, and score all cases, for each division."""
        chosen = self.choose(divisions)
        scores: dict[int, Floats] = {}
        for number, one in enumerate(self.tried):
            rows = [row for row, choice in enumerate(chosen) if choice.configuration is one]
            tasks = [self._task(divisions[row].y, divisions[row].fold.train) for row in rows]
            scores |= dict(zip(rows, self._score(self._plans[number], tasks), strict=True))
        return [scores[row] for row in range(len(divisions))]

    def auroc(self, parts: Sequence[tuple[Integers, Floats, Integers]]) -> float | None:
        """AUROC within parts, weighted by pairs of patients; None where no part has both classes.

        Args:
            parts: For each part the classes (cases,), the scores (cases,) and the rows that are tested.
        """
        won, pairs = 0.0, 0
        for y, score, test in parts:
            patient, row = np.unique(self._of_case[test], return_inverse=True)
            mean = np.bincount(row, score[test]) / np.bincount(row)
            positive = np.zeros(len(patient), bool)
            positive[row] = y[test] == 1
            difference = mean[positive][:, None] - mean[~positive][None]
            won += float((difference > 0).sum() + 0.5 * (difference == 0).sum())
            pairs += difference.size
        return won / pairs if pairs else None

    def _best(self, aurocs: Sequence[float | None]) -> Choice:
        best = max(range(len(aurocs)), key=lambda number: (_or_none(aurocs[number]), -number))
        return Choice(self.tried[best], self.tried, tuple(aurocs), self.inner)

    def _inner(self, division: Division) -> list[tuple[Integers, Integers]]:
        """Training and test rows of the inner folds of a training part."""
        train = division.fold.train
        numbers, of_case = np.unique(self._of_case[train], return_inverse=True)
        y = np.zeros(len(numbers), np.int64)
        np.maximum.at(y, of_case, division.y[train])
        patients = Patients(numbers.astype(object), y, of_case.astype(np.int64))
        parts = []
        for test in stratified_folds(patients, self.inner, (self.seed, 0x1E5, division.fold.number)):
            tested = np.isin(of_case, test)
            parts.append((train[~tested], train[tested]))
        return parts

    def _task(self, y: Integers, train: Integers) -> HeadTask:
        from echokit.training.many_heads import HeadTask

        return HeadTask(y, train)

    def _score(self, plan: HeadPlan, tasks: Sequence[HeadTask]) -> Floats:
        import torch

        from echokit.training.many_heads import train_and_score

        return train_and_score(
            plan,
            tasks,
            case=self._features.case,
            copies=torch.from_numpy(self._features.copies),
            scored_case=self._features.scored_case,
            scored=torch.from_numpy(self._features.scored),
            seed=self.seed,
        )


def procedure_for(recipe: Recipe, frozen: FrozenBackbone, patients: npt.NDArray[Any]) -> HeadProcedure | None:
    """The procedure of a recipe that searches, or whose controls repeat it; None for any other.

    Raises:
        EchokitError: Heads trained many at once do not know what the recipe asks for.
    """
    controls = recipe.controls
    if search_of(recipe) or (controls and (controls.permutations or controls.single_frame)):
        return HeadProcedure(recipe, frozen.features(), patients)
    return None


def plan_of(recipe: Recipe) -> HeadPlan:
    """How a recipe's heads are trained.

    Raises:
        EchokitError: The objective is another one than the cross entropy of two classes.
    """
    from echokit.errors import EchokitError
    from echokit.fold import dropout_of
    from echokit.objectives.cross_entropy import CrossEntropy
    from echokit.training.many_heads import HeadPlan

    objective = recipe.objective.build()
    if not isinstance(objective, CrossEntropy) or objective.label_smoothing or objective.focal:
        raise EchokitError(
            "heads are trained many at once with the cross entropy alone, without label smoothing and focal",
            hint="objective: cross_entropy",
            where="objective",
        )
    balanced = objective.class_weights == "balanced"
    weights = objective.class_weights if isinstance(objective.class_weights, tuple) else (1.0, 1.0)
    return HeadPlan(
        recipe.train, dropout_of(recipe), balanced, weights, objective.outputs, remove_shift=objective.remove_shift
    )


def _or_none(value: float | None) -> float:
    return -1.0 if value is None else value
