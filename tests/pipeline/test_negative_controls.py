"""Negative controls: shuffled labels through the whole procedure, and covariates."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from echokit import Cohort
from echokit.data.splits.stratify import numbered
from echokit.pipeline.covariates import covariate_columns
from echokit.pipeline.frozen_backbone import Features
from echokit.pipeline.head_search import HeadSearch, LabelledFold
from echokit.pipeline.negative_controls import Shuffler, permutation_test
from echokit.recipe.compose import find_recipe
from echokit.recipe.recipe import Recipe
from echokit.recipe.validate import load_recipe
from tests.expect import refused

PATIENTS, EVENTS, WIDTH = 30, 9, 12
SMALL = ("resample.k=3", "resample.inner=2", "resample.search={train.optimizer.lr: [0.001, 0.03]}")


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    phases = "train.phases=[{name: head, train: [head], epochs: 12, copies: 2}]"
    return load_recipe(find_recipe("lvad_nested"), (*SMALL, phases))


def made(recipe: Recipe, signal: float) -> tuple[Cohort, HeadSearch]:
    """Patients with two clips each, whose first feature tells the class as strongly as asked for."""
    rng = np.random.default_rng(4)
    patient = np.repeat(np.arange(PATIENTS), 2)
    y = (patient < EVENTS).astype(np.int64)
    n = len(patient)
    values = rng.normal(size=(PATIENTS, WIDTH))[patient] + 0.3 * rng.normal(size=(2, n, WIDTH))
    values[..., 0] += signal * y
    case = np.arange(n)
    features = Features(case, values.astype(np.float32), case, values[0].astype(np.float32))
    cases = pd.DataFrame({"case_id": [f"c{i}" for i in case], "patient_id": [f"p{i:02}" for i in patient]})
    cohort = Cohort(cases.assign(source="", split="", y_true=y, age=patient + 40.0, sex="F"), "drawn")
    return cohort, HeadSearch(recipe, features, cases["patient_id"].to_numpy())


def test_signal_is_found_and_lost_by_shuffling(recipe: Recipe) -> None:
    cohort, procedure = made(recipe, signal=3.0)
    test = permutation_test(Shuffler(procedure, recipe, cohort, 1), 19, seed=0)
    assert test.observed > 0.8
    assert test.p == pytest.approx(1 / 20)
    assert abs(test.null.mean() - 0.5) < 0.12
    assert len(set(test.null)) > 10


def test_missing_signal_is_rarely_found(recipe: Recipe) -> None:
    cohort, procedure = made(recipe, signal=0.0)
    rng = np.random.default_rng(0)
    found, null = 0, []
    for number in range(4):
        y = np.repeat(rng.permutation(cohort.cases["y_true"].to_numpy()[::2]), 2)
        drawn = replace(cohort, cases=cohort.cases.assign(y_true=y))
        test = permutation_test(Shuffler(procedure, recipe, drawn, 1), 19, seed=number)
        found += test.p <= 0.05
        null += test.null.tolist()
    assert found <= 1
    assert abs(np.mean(null) - 0.5) < 0.08


class RecordingSearch:
    """A head search that records the folds it would train on."""

    def __init__(self) -> None:
        self.seen: list[LabelledFold] = []

    def score(self, folds: Sequence[LabelledFold]) -> list[np.ndarray]:
        self.seen += folds
        return [np.zeros(len(labelled.y)) for labelled in folds]

    def auroc(self, parts: object) -> float:
        return 0.5


def test_labels_are_shuffled_over_patients_and_split_again(recipe: Recipe) -> None:
    cohort, _ = made(recipe, signal=0.0)
    recorder = RecordingSearch()
    Shuffler(recorder, recipe, cohort, 1).aurocs([None, 0, 1], seed=3)  # type: ignore[arg-type]
    assert len(recorder.seen) == 3 * 3
    labels = [recorder.seen[first].y for first in (0, 3, 6)]
    assert (labels[0] == cohort.cases["y_true"]).all()
    for y in labels:
        assert (y[::2] == y[1::2]).all()  # both clips of a patient
        assert y.sum() == 2 * EVENTS
    assert not (labels[1] == labels[2]).all()
    for labelled in recorder.seen:
        assert labelled.y[labelled.fold.test].sum() == 2 * EVENTS // 3


def test_selection_does_not_use_the_test_set(recipe: Recipe) -> None:
    cohort, procedure = made(recipe, signal=1.0)
    y = cohort.cases["y_true"].to_numpy()
    [fold, *_] = numbered(recipe.resample.build()(cohort, 0))
    other = y.copy()
    other[fold.test] = 1 - other[fold.test]
    one, two = procedure.choose([LabelledFold(y, fold), LabelledFold(other, fold)])
    assert one.auroc == pytest.approx(two.auroc)
    assert one.configuration is two.configuration
    a, b = procedure.score([LabelledFold(y, fold), LabelledFold(other, fold)])
    np.testing.assert_allclose(a, b, rtol=1e-4)


def test_covariates_become_numbers() -> None:
    cases = pd.DataFrame({"age": [50.0, np.nan, 70.0], "vendor": ["a", "b", "a"]})
    assert covariate_columns(cases, ["age", "vendor"]).tolist()[0] == [50.0, 1.0, 0.0]
    assert np.isnan(covariate_columns(cases, ["age"])[1, 0])
    with refused("controls.no_column", where="controls.covariates") as error:
        covariate_columns(cases, ["agee"])
    assert error.value.hint == "did you mean 'age'?"


def test_other_objective_is_refused(recipe: Recipe) -> None:
    smoothed = load_recipe(find_recipe("lvad_nested"), (*SMALL, "objective.label_smoothing=0.1"))
    with refused("heads.objective", where="objective"):
        made(replace(recipe, tree=smoothed.tree), signal=0.0)
