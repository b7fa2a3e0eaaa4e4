"""Negative controls: what the result of a run must beat, trained and tested in the same folds.

Shuffled labels show what the whole procedure finds if there is nothing to find. Covariates, the predicted ejection
fraction and a single frame show what is known without the motion of the heart.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from echokit.data.cohort.cohort import Cohort, Fold
from echokit.data.splits.stratify import numbered, patients_of
from echokit.errors import DataError
from echokit.pipeline.covariates import covariate_columns
from echokit.pipeline.fold_plan import FoldPlan
from echokit.pipeline.head_search import HeadSearch, LabelledFold
from echokit.recipe.recipe import Recipe
from echokit.system.progress import display

if TYPE_CHECKING:
    import pandas as pd

    from echokit.evaluation.evaluation import Metric
    from echokit.evaluation.predictions import Predictions

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
LEVEL = 0.95
SHUFFLES_AT_ONCE = 16


@dataclass(frozen=True)
class Control:
    """One control.

    Attributes:
        name: Name in the recipe.
        description: Its inputs.
        auroc: AUROC within folds, with the same interval method as the run.
    """

    name: str
    description: str
    auroc: Metric


@dataclass(frozen=True)
class PermutationTest:
    """A permutation test of the whole procedure.

    Attributes:
        observed: AUROC within folds with the real labels, by the same computation.
        null: (m,) float64 AUROC of each shuffle.
        p: (b + 1) / (m + 1), if b of m shuffles are at least as good.
        repeats: Number of splits of the cohort in each.
    """

    observed: float
    null: Floats
    p: float
    repeats: int


@dataclass(frozen=True)
class Controls:
    """All controls of a run."""

    controls: tuple[Control, ...]
    permutation: PermutationTest | None

    def to_dict(self) -> dict[str, Any]:
        """Convert to the JSON content of ``controls.json``."""
        test = self.permutation
        return {
            "controls": [{"name": one.name, "knows": one.description, **asdict(one.auroc)} for one in self.controls],
            "permutation": test
            and {"observed": test.observed, "p": test.p, "repeats": test.repeats, "null": test.null.tolist()},
        }


def compute_controls(plan: FoldPlan) -> Controls | None:
    """Train and test every control of the recipe; None if it has none.

    Raises:
        EchokitError: A control needs what the run does not have.
    """
    settings = plan.recipe.controls
    if settings is None:
        return None
    dataset, y = plan.dataset, plan.dataset.targets.y_true
    scores = {
        name: (
            f"logistic regression on {', '.join(columns)}",
            _regression_scores(covariate_columns(dataset.cases, columns), y, plan.folds),
        )
        for name, columns in settings.covariates.items()
    }
    if settings.predicted_ef and plan.frozen is not None:
        margin = _initial_head_margin(plan)[:, None]
        description = "logistic regression on the output of the initial weights' own head"
        scores["predicted EF"] = description, _regression_scores(margin, y, plan.folds)
    if settings.single_frame and plan.frozen is not None:
        still = HeadSearch(plan.recipe, plan.frozen.features(still=True), dataset.patients)
        description = "the same procedure on the first frame in place of all, without motion"
        scores["single frame"] = description, iter(still.score([LabelledFold(y, fold) for fold in plan.folds]))
    controls = tuple(
        Control(name, description, _auroc_within_folds(plan, values)) for name, (description, values) in scores.items()
    )
    if not settings.permutations or plan.head_search is None:
        return Controls(controls, None)
    shuffler = Shuffler(plan.head_search, plan.recipe, dataset.cohort, settings.permutation_repeats)
    return Controls(controls, permutation_test(shuffler, settings.permutations, seed=plan.recipe.seed))


@dataclass(frozen=True)
class Shuffler:
    """Repeats the whole procedure on shuffled labels.

    Split, selection of the candidate, training and test.

    Labels are shuffled over patients, so that all clips of a patient keep one label.

    Attributes:
        search: The procedure that is repeated.
        recipe: Its resampler splits the cohort again for every shuffle, because it is stratified by class.
        cohort: The cases.
        repeats: Number of splits of the cohort.
    """

    search: HeadSearch
    recipe: Recipe
    cohort: Cohort
    repeats: int

    def aurocs(self, shuffles: Sequence[int | None], *, seed: int) -> list[float | None]:
        """Compute the AUROC within folds for each shuffle; None: labels kept."""
        patients = patients_of(self.cohort)
        splits: list[list[LabelledFold]] = []
        for shuffle in shuffles:
            y = self.cohort.cases["y_true"].to_numpy(np.int64)
            if shuffle is not None:
                generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 0x9E7, shuffle])))
                y = generator.permutation(patients.y)[patients.of_case]
            splits.append(self.folds(y))
        scores = iter(self.search.score([labelled for split in splits for labelled in split]))
        return [self.search.auroc([(one.y, next(scores), one.fold.test) for one in split]) for split in splits]

    def folds(self, y: Integers) -> list[LabelledFold]:
        """Split the cohort with these labels; classes decide which patients share a fold."""
        labelled = replace(self.cohort, cases=self.cohort.cases.assign(y_true=y))
        folds = numbered(self.recipe.resample.build()(labelled, self.recipe.seed))
        return [LabelledFold(y, fold) for fold in itertools.takewhile(lambda fold: fold.repeat < self.repeats, folds)]

    def test_predictions(self) -> list[Predictions]:
        """Score the test sets of the cohort as it is labelled, one row for each patient."""
        y = self.cohort.cases["y_true"].to_numpy(np.int64)
        folds = self.folds(y)
        return [
            _test_predictions(self.cohort.cases, y, labelled.fold, score)
            for labelled, score in zip(folds, self.search.score(folds), strict=True)
        ]


def permutation_test(shuffler: Shuffler, permutations: int, *, seed: int) -> PermutationTest:
    """Compare the procedure on real labels with that on shuffled labels.

    Args:
        shuffler: Repeats the procedure.
        permutations: Number of shuffles.
        seed: Seed of the shuffles.

    Raises:
        DataError: No test fold of a shuffle has both classes.
    """
    from echokit.evaluation.statistics.null_distributions import permutation_p

    [observed] = shuffler.aurocs([None], seed=seed)
    null: list[float | None] = []
    with display().task("Shuffling labels", permutations) as advance:
        for start in range(0, permutations, SHUFFLES_AT_ONCE):
            numbers = range(start, min(start + SHUFFLES_AT_ONCE, permutations))
            null += shuffler.aurocs(list(numbers), seed=seed)
            advance(len(numbers))
    values = [value for value in null if value is not None]
    if observed is None or len(values) < len(null):
        raise DataError(
            "a shuffle left no test fold with both classes", where="controls.permutations", code="controls.one_class"
        )
    array = np.array(values)
    return PermutationTest(observed, array, permutation_p(observed, array), shuffler.repeats)


def _regression_scores(x: Floats, y: Integers, folds: Sequence[Fold]) -> Iterator[Floats]:
    """Yield scores (cases,) of a logistic regression fitted in each fold.

    Values are imputed and scaled on the training set.
    """
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


def _auroc_within_folds(plan: FoldPlan, scores: Iterable[Floats]) -> Metric:
    from echokit.evaluation.cross_validation import joined_auroc

    cases, y = plan.dataset.cases, plan.dataset.targets.y_true
    parts = [_test_predictions(cases, y, fold, score) for fold, score in zip(plan.folds, scores, strict=True)]
    return replace(joined_auroc(parts, level=LEVEL)[0], split="test")


def _test_predictions(cases: pd.DataFrame, y: Integers, fold: Fold, score: Floats) -> Predictions:
    """Collect the test set of a fold, one row for each patient."""
    import pandas as pd

    from echokit.evaluation.predictions import Predictions

    test = cases.iloc[fold.test]
    table = pd.DataFrame(
        {
            "case_id": test["case_id"].to_numpy(),
            "patient_id": test["patient_id"].to_numpy(),
            "split": "test",
            "repeat": fold.repeat,
            "fold": fold.number,
            "y_true": y[fold.test],
            "y_score": score[fold.test],
        }
    )
    return Predictions(table, probability=False).per_patient()


def _initial_head_margin(plan: FoldPlan) -> Floats:
    """Compute the output (cases,) of the initial weights' own head.

    With two outputs, the second minus the first.
    """
    assert plan.frozen is not None
    assert plan.weights is not None
    tensors, features = plan.weights.tensors, plan.frozen.features()
    outputs = features.scored @ tensors["head.weight"].numpy().T + tensors["head.bias"].numpy()
    margin = outputs[:, -1] - (outputs[:, 0] if outputs.shape[1] > 1 else 0)
    sums = np.bincount(features.scored_case, margin)
    return np.asarray(sums / np.bincount(features.scored_case), np.float64)
