"""Resamplers: patients, classes and folds, for every cohort that hypothesis thinks of."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echokit import Cohort, Fold, RecipeError, split_patients
from echokit.data.splits.stratify import numbered
from echokit.plugins.discovery import installed
from echokit.recipe.validate import load_recipe
from tests.expect import mistakes, refused

DIVIDING = [
    ("kfold", {"k": 3}),
    ("kfold", {"k": 2, "val": 0.3}),
    ("repeated_kfold", {"k": 2, "repeats": 3}),
    ("nested", {"k": 2, "repeats": 2, "search": {"model.dropout": [0.0, 0.5]}}),
    ("holdout", {}),
    ("leave_one_out", {}),
    ("leave_pair_out", {}),
]


def cohort_of(negatives: list[int], positives: list[int]) -> Cohort:
    """Patients with so many cases each."""
    patients = [(f"n{i}", 0, count) for i, count in enumerate(negatives)]
    patients += [(f"p{i}", 1, count) for i, count in enumerate(positives)]
    rows = [(f"{name}-{case}", name, y) for name, y, count in patients for case in range(count)]
    cases = pd.DataFrame(rows, columns=["case_id", "patient_id", "y_true"]).assign(source="", split="")
    return Cohort(cases, "trial")


def folds_of(name: str, parameters: dict[str, Any], cohort: Cohort, seed: int = 0) -> list[Fold]:
    return list(numbered(installed().registry.get("resampler", name).load()(**parameters)(cohort, seed)))


counts = st.lists(st.integers(1, 3), min_size=8, max_size=20)


@pytest.mark.parametrize(("name", "parameters"), DIVIDING)
@given(negatives=counts, positives=counts, seed=st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_no_patient_is_in_two_parts_and_every_case_in_one(
    name: str, parameters: dict[str, Any], negatives: list[int], positives: list[int], seed: int
) -> None:
    cohort = cohort_of(negatives, positives)
    patient = cohort.cases["patient_id"].to_numpy()
    y = cohort.cases["y_true"].to_numpy()
    folds = folds_of(name, parameters, cohort, seed)
    assert [fold.number for fold in folds] == list(range(len(folds)))
    for fold in folds:
        parts = (fold.train, fold.val, fold.test)
        together = np.sort(np.concatenate(parts))
        assert (together == np.arange(len(cohort))).all()
        named = [set(patient[part]) for part in parts]
        assert not named[0] & named[1]
        assert not named[0] & named[2]
        assert not named[1] & named[2]
        assert set(y[fold.train]) == {0, 1}


@pytest.mark.parametrize(("name", "parameters"), [d for d in DIVIDING if "fold" in d[0]])
@given(negatives=counts, positives=counts)
@settings(max_examples=15, deadline=None)
def test_each_repeat_tests_every_patient_once(
    name: str, parameters: dict[str, Any], negatives: list[int], positives: list[int]
) -> None:
    cohort = cohort_of(negatives, positives)
    y = cohort.cases["y_true"].to_numpy()
    folds = folds_of(name, parameters, cohort)
    assert len({fold.repeat for fold in folds}) == parameters.get("repeats", 1)
    for repeat in {fold.repeat for fold in folds}:
        tested = [fold.test for fold in folds if fold.repeat == repeat]
        assert (np.sort(np.concatenate(tested)) == np.arange(len(cohort))).all()
        assert all(set(y[test]) == {0, 1} for test in tested)


def test_7_deaths_of_34_patients_are_spread_over_the_folds() -> None:
    cohort = cohort_of([1] * 27, [1] * 7)
    for k in (2, 3, 5, 7):
        sizes = [
            (len(fold.test), int(cohort.cases["y_true"].iloc[fold.test].sum()))
            for fold in folds_of("kfold", {"k": k}, cohort)
        ]
        assert sum(n for n, _ in sizes) == 34
        assert {events for _, events in sizes} <= {7 // k, 7 // k + 1}


def test_more_folds_than_the_smaller_class_has_patients_are_refused() -> None:
    with refused("split.too_few_patients", names=("8",)) as caught:
        folds_of("kfold", {"k": 8}, cohort_of([1] * 27, [3] * 7))
    assert "k: 7" in str(caught.value)


def test_folds_depend_on_the_seed_and_not_on_the_repeats() -> None:
    cohort = cohort_of([1] * 20, [1] * 10)

    def tests(name: str, parameters: dict[str, Any], seed: int) -> list[list[int]]:
        return [fold.test.tolist() for fold in folds_of(name, parameters, cohort, seed)]

    assert tests("kfold", {"k": 5}, 1) == tests("kfold", {"k": 5}, 1)
    assert tests("kfold", {"k": 5}, 1) != tests("kfold", {"k": 5}, 2)
    assert tests("repeated_kfold", {"k": 5, "repeats": 2}, 1) == tests("repeated_kfold", {"k": 5, "repeats": 4}, 1)[:10]
    first, second = np.split(np.array(tests("repeated_kfold", {"k": 5, "repeats": 2}, 1)), 2)
    assert first.tolist() != second.tolist()


def test_leaving_pairs_out_holds_every_mixed_pair_once() -> None:
    cohort = cohort_of([1] * 5, [1] * 3)
    y = cohort.cases["y_true"].to_numpy()
    pairs = {tuple(fold.test.tolist()) for fold in folds_of("leave_pair_out", {}, cohort)}
    assert len(pairs) == 15
    assert all(sorted(y[list(pair)]) == [0, 1] for pair in pairs)


@pytest.mark.parametrize("name", ["leave_one_out", "leave_pair_out", "kfold", "holdout"])
def test_a_class_of_one_patient_is_refused(name: str) -> None:
    with refused("split.too_few_patients"):
        folds_of(name, {}, cohort_of([1] * 6, [4]))


def test_too_few_patients_for_a_validation_part_are_refused() -> None:
    with refused("split.too_few_patients"):
        folds_of("kfold", {"k": 3, "val": 0.1}, cohort_of([1] * 20, [1] * 4))


def test_a_recipe_that_ranks_in_folds_of_one_patient_is_refused(tiny: Path) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe(tiny, ("resample=leave_one_out",))
    assert "recipe.unsuitable_evaluator" in [code for code, _ in mistakes(error.value)]
    assert (
        load_recipe(tiny, ("resample=leave_pair_out", "evaluate=[auroc]", "train.keep=last")).resample.name
        == "leave_pair_out"
    )


@given(negatives=counts, positives=counts, seed=st.integers(0, 5), share=st.sampled_from([0.2, 0.5]))
@settings(max_examples=15, deadline=None)
def test_split_patients_divides_by_patient_and_class(
    negatives: list[int], positives: list[int], seed: int, share: float
) -> None:
    cohort = cohort_of(negatives, positives)
    patient, y = cohort.cases["patient_id"].to_numpy(), cohort.cases["y_true"].to_numpy()
    rest, test = split_patients(cohort, share, seed)
    train, val = split_patients(cohort, 0.25, seed, among=rest)
    assert (np.sort(np.concatenate([train, val, test])) == np.arange(len(cohort))).all()
    assert len(set(patient[train])) + len(set(patient[val])) + len(set(patient[test])) == len(set(patient))
    for label, counts_of_class in ((0, negatives), (1, positives)):
        assert len(set(patient[test[y[test] == label]])) == round(share * len(counts_of_class))
    again = split_patients(cohort, share, seed)
    assert all((one == other).all() for one, other in zip((rest, test), again, strict=True))


def test_split_patients_refuses_a_part_without_a_class() -> None:
    with refused("split.too_few_patients", "resample", names=("2 patients with y_true 1",)):
        split_patients(cohort_of([1] * 20, [1, 1]), 0.2, seed=0)


def test_folds_are_numbered_by_the_run() -> None:
    rows = np.arange(4)
    folds = list(numbered(Fold(repeat=repeat, train=rows[:2], test=rows[2:]) for repeat in (0, 0, 1)))
    assert [(fold.number, fold.repeat) for fold in folds] == [(0, 0), (1, 0), (2, 1)]
    assert folds[0].val.dtype == np.int64
    assert [fold.number for fold in numbered([Fold(7, 0, rows, rows, rows)])] == [7]
