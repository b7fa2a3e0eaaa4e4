"""Folds joined, thresholds chosen, subgroups, comparisons: what must hold, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from echokit.errors import DataError
from echokit.evaluate.accuracy import Accuracy
from echokit.evaluate.assessment import assess
from echokit.evaluate.auroc import Auroc
from echokit.evaluate.comparison import compare_predictions
from echokit.evaluate.predictions import Predictions
from echokit.evaluate.sensitivity import Sensitivity
from echokit.evaluate.subgroups import Subgroups
from echokit.evaluate.threshold import choose_threshold


def table(y, score, *, split="test", repeat=0, fold=0, prefix="p"):
    names = [f"{prefix}{i}" for i in range(len(y))]
    frame = pd.DataFrame({"case_id": names, "patient_id": names, "split": split, "repeat": repeat, "fold": fold})
    return frame.assign(y_true=np.asarray(y, int), y_score=np.asarray(score, float))


def folds(repeats=1, seed=0):
    """Twelve patients, 4 events, 4 folds a repeat; fold 3 holds one class only."""
    rng = np.random.default_rng(seed)
    y = np.array([1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0])
    parts = []
    for repeat in range(repeats):
        score = rng.random(12)
        for fold in range(4):
            rows = slice(3 * fold, 3 * fold + 3)
            part = table(y, score, repeat=repeat, fold=4 * repeat + fold)
            parts.append(part.iloc[rows])
    return pd.concat(parts, ignore_index=True)


def joined(data, evaluators):
    return {m.metric: m for m in assess(Predictions(data, "died"), evaluators, seed=0).metrics if m.fold is None}


@pytest.mark.parametrize("repeats", [1, 3])
def test_the_auroc_within_folds_counts_pairs_of_the_same_fold(repeats):
    data = folds(repeats)
    row = joined(data, [("auroc", Auroc())])["auroc_within_fold"]
    won = pairs = 0
    for _, part in data.groupby("fold"):
        for p in part.loc[part["y_true"] == 1, "y_score"]:
            for q in part.loc[part["y_true"] == 0, "y_score"]:
                won, pairs = won + (p > q), pairs + 1
    assert row.value == pytest.approx(won / pairs)
    assert f"{pairs} pairs in {3 * repeats} folds" in row.definition
    assert f"{repeats} folds with one class have none" in row.definition
    assert (row.n, row.events) == (12, 4)
    assert row.low < row.value < row.high
    assert row.interval.startswith("approximate")


def test_an_undefined_fold_is_counted_and_left_out_of_mean_and_sd():
    data = folds()
    rows = joined(data, [("auroc", Auroc())])
    values = [
        Auroc()(Predictions(part)).metrics[0].value for _, part in data.groupby("fold") if part["y_true"].nunique() == 2
    ]
    assert rows["auroc_fold_mean"].value == pytest.approx(np.mean(values))
    assert rows["auroc_fold_sd"].value == pytest.approx(np.std(values, ddof=1))
    assert "3 folds; 1 more are undefined and left out" in rows["auroc_fold_mean"].definition
    assert "ddof = 1" in rows["auroc_fold_sd"].definition


def test_pooling_scores_of_shifted_folds_is_shown_with_its_bias():
    data = pd.concat([table([1, 0], [0.9, 0.8], fold=0), table([1, 0], [0.3, 0.2], fold=1, prefix="q")])
    rows = joined(data, [("auroc", Auroc())])
    assert rows["auroc_within_fold"].value == 1.0
    assert rows["auroc_pooled"].value == 0.75
    assert "differs from the AUROC within folds by -0.250" in rows["auroc_pooled"].definition
    assert rows["auroc_pooled"].low is None
    assert rows["auroc_within_fold"].low < 0.9  # no certainty from two pairs


def test_pooled_accuracy_counts_patients_and_has_a_wider_interval_than_wilson():
    rows = joined(folds(), [("accuracy", Accuracy())])
    data = folds()
    right = ((data["y_score"] >= 0.5) == (data["y_true"] == 1)).mean()
    pooled = rows["accuracy_pooled"]
    assert pooled.value == pytest.approx(right)
    assert pooled.baseline == pytest.approx(8 / 12)
    from echokit.evaluate.proportion import wilson

    plain = wilson(12 * right, 12)
    assert pooled.low < plain.low
    assert pooled.high > plain.high


def test_leave_pair_out_has_the_auroc_within_pairs_and_no_pooled_one():
    y, score = np.array([1, 1, 0, 0, 0]), np.array([0.9, 0.2, 0.1, 0.3, 0.4])
    whole = table(y, score)
    pairs = [(i, j) for i in (0, 1) for j in (2, 3, 4)]
    data = pd.concat([whole.iloc[[i, j]].assign(fold=number) for number, (i, j) in enumerate(pairs)])
    rows = joined(data, [("auroc", Auroc())])
    assert rows["auroc_within_fold"].value == pytest.approx(Auroc()(Predictions(whole)).metrics[0].value)
    assert "auroc_pooled" not in rows
    assert rows["auroc_within_fold"].low is None


def rule_table(n_val, seed=0):
    rng = np.random.default_rng(seed)
    parts = []
    for split, n in (("val", n_val), ("test", 60)):
        y = (np.arange(n) % 2 == 0).astype(int)
        parts.append(table(y, 0.15 * y + 0.1 * rng.random(n), split=split, prefix=split))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("rule", ["youden", "sensitivity_at_0.90", "specificity_at_0.90"])
def test_a_threshold_is_chosen_on_validation_and_never_on_test(rule):
    data = rule_table(60)
    val = data[data["split"] == "val"]
    metrics = assess(Predictions(data), [("sensitivity", Sensitivity(threshold=rule))], seed=0).metrics
    metric = next(m for m in metrics if m.split == "test")
    assert metric.threshold == choose_threshold(val["y_true"].to_numpy(), val["y_score"].to_numpy(), rule)
    assert f"chosen by {rule} on the validation part (60 patients, 30 events)" in metric.definition
    data.loc[data["split"] == "test", "y_score"] = 0.0
    again = assess(Predictions(data), [("sensitivity", Sensitivity(threshold=rule))], seed=0).metrics
    assert next(m for m in again if m.split == "test").threshold == metric.threshold


def test_few_events_keep_the_threshold_that_was_fixed_beforehand():
    metrics = assess(Predictions(rule_table(38)), [("sensitivity", Sensitivity(threshold="youden"))], seed=0).metrics
    test = next(m for m in metrics if m.split == "test")
    assert test.threshold == 0.5
    assert "not chosen by youden" in test.definition
    assert "fewer than 20" in test.definition


def test_the_rules_do_what_they_say():
    y, score = np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.5, 0.9])
    assert choose_threshold(y, score, "youden") == 0.5
    assert choose_threshold(y, score, "sensitivity_at_0.5") == 0.9
    assert choose_threshold(y, score, "specificity_at_0.66") == 0.5
    with pytest.raises(ValueError, match="no rule"):
        choose_threshold(y, score, "best")


def test_one_evaluator_at_two_thresholds_has_two_names():
    given = [("sensitivity", Sensitivity()), ("sensitivity", Sensitivity(threshold=0.1))]
    metrics = assess(Predictions(rule_table(60)), given, seed=0).metrics
    names = [metric.metric for metric in metrics if metric.split == "test"]
    assert names == ["sensitivity", "sensitivity_at_0.1"]


def test_small_subgroups_show_counts_and_no_metric():
    rng = np.random.default_rng(0)
    y = (np.arange(80) % 2 == 0).astype(int)
    data = table(y, rng.random(80)).assign(sex=["F"] * 60 + ["M"] * 12 + [""] * 8, age=np.arange(80.0))
    rows = assess(Predictions(data), [("subgroups", Subgroups(by=["sex", "age"], metrics=["auroc"]))], seed=0).metrics
    found = {m.subgroup: m for m in rows}
    assert set(found) == {"sex = F", "sex = M", "sex unknown", "age <= 39.5", "age > 39.5"}
    assert found["sex = F"].low < found["sex = F"].value < found["sex = F"].high
    assert found["sex = M"].value is None
    assert (found["sex = M"].n, found["sex = M"].events) == (12, 6)
    assert "counts only" in found["sex = M"].interval


def test_a_wrong_covariate_is_an_error_with_a_suggestion():
    data = table([0, 1], [0.1, 0.9]).assign(sex=["F", "M"])
    with pytest.raises(DataError, match="no covariate 'sexx'") as caught:
        assess(Predictions(data), [("subgroups", Subgroups(by=["sexx"]))], seed=0)
    assert "'sex'" in caught.value.hint


def pair(n=200, seed=0):
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 3 == 0).astype(int)
    base = y + rng.normal(size=n)
    expit = [1 / (1 + np.exp(-(base + scale * rng.normal(size=n)))) for scale in (2.0, 0.3)]
    return [Predictions(table(y, score)) for score in expit]


def test_a_better_run_is_found_better_by_every_comparison():
    first, second = pair()
    rows = compare_predictions(first, second, resamples=500)
    assert [row.metric for row in rows] == ["auroc", "auroc", "auprc", "brier", "accuracy"]
    for row in rows[:3]:
        assert row.value == pytest.approx(row.second - row.first)
        assert 0 < row.low < row.value < row.high
    assert rows[0].p < 0.01
    assert rows[3].high < 0
    back = compare_predictions(second, first, resamples=500)
    assert back[0].p == pytest.approx(rows[0].p)
    assert back[0].value == pytest.approx(-rows[0].value)


def test_a_run_does_not_differ_from_itself():
    first, _ = pair()
    rows = compare_predictions(first, first, resamples=100)
    assert all(row.value == 0 for row in rows)
    assert rows[-1].p == 1.0


def test_out_of_fold_scores_and_other_patients_are_refused():
    first, second = pair()
    parts = first.table.assign(fold=np.arange(200) % 5)
    with pytest.raises(DataError, match="come from 5 folds"):
        compare_predictions(first, Predictions(parts))
    with pytest.raises(DataError, match="2 patients are in one of the runs only"):
        compare_predictions(first, Predictions(second.table.iloc[2:]))
    flipped = second.table.assign(y_true=1 - second.table["y_true"])
    with pytest.raises(DataError, match="disagree about the class of 200"):
        compare_predictions(first, Predictions(flipped))
