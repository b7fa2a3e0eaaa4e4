"""Controls: what the result of a run has to beat, trained and tested in the same folds.

Shuffled labels say what the whole procedure finds where there is nothing to find. Covariates, the predicted ejection
fraction and a single frame say what is known without the video's motion.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from echokit.cohort.cohort import Cohort, Fold
from echokit.errors import DataError, EchokitError, did_you_mean
from echokit.fold import Material
from echokit.procedure import Division, HeadProcedure
from echokit.progress import display
from echokit.recipe.recipe import Recipe
from echokit.resample.patients import patients_of

if TYPE_CHECKING:
    import pandas as pd

    from echokit.evaluate.evaluation import Metric
    from echokit.evaluate.predictions import Predictions
    from echokit.frozen import FrozenBackbone
    from echokit.starting_weights import StartingWeights

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
LEVEL = 0.95
SHUFFLES_AT_ONCE = 16


@dataclass(frozen=True)
class Control:
    """One control.

    Attributes:
        name: As the recipe or the core calls it.
        what: What it knows, in words.
        auroc: Within folds, with the interval that the run's own has.
    """

    name: str
    what: str
    auroc: Metric


@dataclass(frozen=True)
class Permutation:
    """A permutation test of the whole procedure.

    Attributes:
        observed: AUROC within folds with the real labels, by the same computation.
        null: (m,) float64 of the shuffled labels.
        p: (b + 1) / (m + 1), with b of m shuffles at least as good.
        repeats: Divisions of the cohort in each.
    """

    observed: float
    null: Floats
    p: float
    repeats: int


@dataclass(frozen=True)
class Controls:
    """All controls of a run."""

    controls: tuple[Control, ...]
    permutation: Permutation | None

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        test = self.permutation
        return {
            "controls": [{"name": one.name, "knows": one.what, **asdict(one.auroc)} for one in self.controls],
            "permutation": test
            and {"observed": test.observed, "p": test.p, "repeats": test.repeats, "null": test.null.tolist()},
        }


def require_controls(
    recipe: Recipe, material: Material, frozen: FrozenBackbone | None, weights: StartingWeights | None
) -> None:
    """Refuse, before anything is trained, controls that ask for what the run does not have.

    Raises:
        EchokitError: A column is missing, the starting weights have no head, or the backbone is not frozen.
    """
    settings = recipe.controls
    if settings is None:
        return
    for columns in settings.covariates.values():
        covariate_columns(material.cases, columns)
    for name in ("permutations", "predicted_ef", "single_frame"):
        if getattr(settings, name) and frozen is None:
            raise EchokitError(
                "this control needs a backbone that no phase trains, and weights that it comes from",
                hint="train.phases: [{name: head, train: [head], epochs: 20}]",
                where=f"controls.{name}",
            )
    if settings.predicted_ef and not (weights and {"head.weight", "head.bias"} <= set(weights.tensors)):
        raise EchokitError(
            "the starting weights have no head of their own, so that they predict nothing",
            hint="start from a run, or leave the control out",
            where="controls.predicted_ef",
        )


def compute_controls(
    recipe: Recipe,
    cohort: Cohort,
    material: Material,
    folds: Sequence[Fold],
    *,
    frozen: FrozenBackbone | None,
    procedure: HeadProcedure | None,
    weights: StartingWeights | None,
) -> Controls | None:
    """Train and test every control that a recipe asks for in the folds of the run; None where it asks for none.

    Args:
        recipe: Of the run.
        cohort: Its cases that could be prepared.
        material: The same, with targets.
        folds: Of the run.
        frozen: The shared backbone.
        procedure: Of the run, where its backbone is frozen.
        weights: That the model starts from.

    Raises:
        EchokitError: A control asks for what the run does not have.
    """
    settings = recipe.controls
    if settings is None:
        return None
    y = material.targets.y_true
    found = [
        Control(name, f"logistic regression on {', '.join(columns)}", _joined(material, folds, scores))
        for name, columns in settings.covariates.items()
        for scores in [_regressed(covariate_columns(material.cases, columns), y, folds)]
    ]
    if settings.predicted_ef and frozen is not None:
        answers = _starting_answers(frozen, weights)
        regressed = _regressed(answers[:, None], y, folds)
        what = "logistic regression on the answer of the starting weights' own head"
        found.append(Control("predicted EF", what, _joined(material, folds, regressed)))
    if settings.single_frame and frozen is not None:
        still = HeadProcedure(recipe, frozen.features(still=True), material.cases["patient_id"].to_numpy())
        scores = still.score([Division(y, fold) for fold in folds])
        what = "the same procedure on the first frame in place of all, without motion"
        found.append(Control("single frame", what, _joined(material, folds, scores)))
    shuffled = None
    if settings.permutations and procedure is not None:
        shuffled = permutation_test(
            procedure, recipe, cohort, settings.permutations, settings.permutation_repeats, seed=recipe.seed
        )
    return Controls(tuple(found), shuffled)


def permutation_test(
    procedure: HeadProcedure, recipe: Recipe, cohort: Cohort, permutations: int, repeats: int, *, seed: int
) -> Permutation:
    """Repeat the whole procedure on shuffled labels: division, choice of the configuration, training and test.

    Labels are shuffled over patients, so that the clips of one keep one outcome.

    Args:
        procedure: What is repeated.
        recipe: Its resampler divides the cohort, anew for every shuffle, as classes decide where patients go.
        cohort: The cases.
        permutations: How many shuffles.
        repeats: Divisions of each.
        seed: Of the shuffles.

    Raises:
        DataError: No test fold of a shuffle has both classes.
    """
    from echokit.evaluate.chance import permutation_p

    [observed] = permuted_aurocs(procedure, recipe, cohort, [None], repeats, seed=seed)
    null: list[float | None] = []
    with display().task("Shuffling labels", permutations) as advance:
        for start in range(0, permutations, SHUFFLES_AT_ONCE):
            numbers = range(start, min(start + SHUFFLES_AT_ONCE, permutations))
            null += permuted_aurocs(procedure, recipe, cohort, list(numbers), repeats, seed=seed)
            advance(len(numbers))
    values = [value for value in null if value is not None]
    if observed is None or len(values) < len(null):
        raise DataError("a shuffle left no test fold with both classes", where="controls.permutations")
    array = np.array(values)
    return Permutation(observed, array, permutation_p(observed, array), repeats)


def permuted_aurocs(
    procedure: HeadProcedure,
    recipe: Recipe,
    cohort: Cohort,
    shuffles: Sequence[int | None],
    repeats: int,
    *,
    seed: int,
) -> list[float | None]:
    """AUROC within folds of the whole procedure, once a shuffle; None stands for the labels as they are."""
    patients = patients_of(cohort)
    divisions: list[list[Division]] = []
    for shuffle in shuffles:
        y = cohort.cases["y_true"].to_numpy(np.int64)
        if shuffle is not None:
            generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 0x9E7, shuffle])))
            y = generator.permutation(patients.y)[patients.of_case]
        divisions.append(_divided(recipe, cohort, y, repeats))
    scores = iter(procedure.score([division for parts in divisions for division in parts]))
    return [procedure.auroc([(d.y, next(scores), d.fold.test) for d in parts]) for parts in divisions]


def _divided(recipe: Recipe, cohort: Cohort, y: Integers, repeats: int) -> list[Division]:
    """The folds of some labels: classes decide where patients go."""
    labelled = replace(cohort, cases=cohort.cases.assign(y_true=y))
    folds = itertools.takewhile(lambda fold: fold.repeat < repeats, recipe.resample.build()(labelled, recipe.seed))
    return [Division(y, fold) for fold in folds]


def scores_of_division(procedure: HeadProcedure, recipe: Recipe, cohort: Cohort, *, repeats: int) -> list[Predictions]:
    """The test parts of the whole procedure on a cohort as it is labelled, one row a patient."""
    y = cohort.cases["y_true"].to_numpy(np.int64)
    divisions = _divided(recipe, cohort, y, repeats)
    return [
        _tested(cohort.cases, y, division.fold, score)
        for division, score in zip(divisions, procedure.score(divisions), strict=True)
    ]


def covariate_columns(cases: pd.DataFrame, columns: Sequence[str]) -> Floats:
    """(cases, columns) float64: numbers as they are, NaN where empty; a text as one column for each of its values.

    Raises:
        EchokitError: A column is not there.
    """
    import pandas as pd

    parts = []
    for column in columns:
        if column not in cases.columns:
            known = [str(name) for name in cases.columns]
            raise EchokitError(
                f"the cohort has no column {column!r}",
                hint=did_you_mean(column, known) or "name it in data.covariates, so that the table keeps it",
                where="controls.covariates",
            )
        if pd.api.types.is_numeric_dtype(cases[column]):
            parts.append(cases[column].to_numpy(np.float64)[:, None])
        else:
            parts.append(pd.get_dummies(cases[column].astype(str)).to_numpy(np.float64))
    return np.concatenate(parts, axis=1)


def _regressed(x: Floats, y: Integers, folds: Sequence[Fold]) -> Iterator[Floats]:
    """Scores (cases,) of a logistic regression, filled, scaled and fitted on the training part of each fold."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    for fold in folds:
        model = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            StandardScaler(),
            LogisticRegression(class_weight="balanced", max_iter=1000),
        )
        model.fit(x[fold.train], y[fold.train])
        yield model.decision_function(x)


def _joined(material: Material, folds: Sequence[Fold], scores: Iterable[Floats]) -> Metric:
    from echokit.evaluate.cross_validation import joined_auroc

    y = material.targets.y_true
    parts = [_tested(material.cases, y, fold, score) for fold, score in zip(folds, scores, strict=True)]
    return replace(joined_auroc(parts, level=LEVEL)[0], split="test")


def _tested(cases: pd.DataFrame, y: Integers, fold: Fold, score: Floats) -> Predictions:
    """The test part of a fold, one row a patient."""
    import pandas as pd

    from echokit.evaluate.predictions import Predictions

    tested = cases.iloc[fold.test]
    table = pd.DataFrame(
        {
            "case_id": tested["case_id"].to_numpy(),
            "patient_id": tested["patient_id"].to_numpy(),
            "split": "test",
            "repeat": fold.repeat,
            "fold": fold.number,
            "y_true": y[fold.test],
            "y_score": score[fold.test],
        }
    )
    return Predictions(table, probability=False).per_patient()


def _starting_answers(frozen: FrozenBackbone, weights: StartingWeights | None) -> Floats:
    """(cases,) float64: what the starting weights' own head says, the second output less the first where it has two."""
    tensors: Mapping[str, Any] = weights.tensors if weights else {}
    features = frozen.features()
    answers = features.scored @ tensors["head.weight"].numpy().T + tensors["head.bias"].numpy()
    margin = answers[:, -1] - (answers[:, 0] if answers.shape[1] > 1 else 0)
    sums = np.bincount(features.scored_case, margin)
    return np.asarray(sums / np.bincount(features.scored_case), np.float64)
