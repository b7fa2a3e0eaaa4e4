"""Evaluation of a whole run: splits, folds, intervals, and predictions that are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.evaluation import Evaluation, Metric
from echokit.evaluation.metrics.accuracy import Accuracy
from echokit.evaluation.metrics.auprc import Auprc
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.predictions import Predictions
from echokit.results.headline import headline
from tests.evaluation.tables import predictions_table
from tests.expect import refused

METHODS = {"accuracy": "Wilson", "auroc": "DeLong on the logit", "auprc": "permutation null of 300 shuffles"}
ALL = [("accuracy", Accuracy()), ("auroc", Auroc()), ("auprc", Auprc())]


def run_table(folds=1, n=30, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for fold in range(folds):
        for split in ("train", "val", "test"):
            y = rng.permutation(np.arange(n) % 3 == 0).astype(int)
            score = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(size=n))))
            rows.append(predictions_table(y, score, split=split, fold=fold, prefix=split))
    return pd.concat(rows, ignore_index=True)


def test_one_fold_gives_intervals_for_every_split():
    evaluation = evaluate_folds(Predictions(run_table(), "reduced"), ALL, seed=0, resamples=300)
    order = [(metric.metric, metric.split) for metric in evaluation.metrics]
    assert order == [(name, split) for name, _ in ALL for split in ("train", "val", "test")]
    for metric in evaluation.metrics:
        assert (metric.repeat, metric.fold, metric.n, metric.events) == (0, 0, 30, 10)
        assert METHODS[metric.metric] in metric.interval
        if metric.metric == "auprc":  # 10 positives are too few for an interval
            assert (metric.low, metric.level) == (None, None)
        else:
            assert metric.low < metric.value < metric.high
            assert metric.level == 0.95
    roc = evaluation.curves["roc"]["test"]
    assert len(roc) == 1
    assert (roc[0]["fold"], roc[0]["n"], roc[0]["events"]) == (0, 30, 10)


def test_the_interval_of_accuracy_uses_the_threshold():
    def test_accuracy(threshold):
        predictions = Predictions(run_table(), threshold=threshold)
        return evaluate_folds(predictions, ALL[:1], seed=0, resamples=200, splits=["test"]).metrics[0]

    low, high = test_accuracy(0.5), test_accuracy(2.0)
    assert high.value == pytest.approx(20 / 30)  # no patient is classified as positive
    assert high.low < 20 / 30 < high.high
    assert (low.low, low.high) != (high.low, high.high)


def test_several_folds_give_values_without_intervals():
    evaluation = evaluate_folds(Predictions(run_table(folds=3)), ALL, seed=0, resamples=100)
    test = [m for m in evaluation.metrics if m.metric == "auroc" and m.split == "test"]
    assert [m.fold for m in test] == [0, 1, 2]
    assert all(m.value is not None and m.low is None and m.level is None for m in test)
    assert all(m.interval.startswith("none") for m in test)
    assert [curve["fold"] for curve in evaluation.curves["pr"]["test"]] == [0, 1, 2]


def test_patients_are_counted_not_videos():
    table = run_table()
    again = table.assign(case_id=table["case_id"] + "b", y_score=table["y_score"])
    once = evaluate_folds(Predictions(table), ALL, seed=0, resamples=100)
    twice = evaluate_folds(Predictions(pd.concat([table, again])), ALL, seed=0, resamples=100)
    assert once == twice


def test_the_same_seed_gives_the_same_evaluation():
    results = [evaluate_folds(Predictions(run_table(n=90)), ALL, seed=seed, resamples=100) for seed in (5, 5, 6)]
    assert results[0] == results[1] != results[2]


def test_a_split_of_one_class_is_undefined():
    table = run_table()
    table.loc[table["split"] == "val", "y_true"] = 0
    evaluation = evaluate_folds(Predictions(table), ALL, seed=0, resamples=100)
    val = {m.metric: m for m in evaluation.metrics if m.split == "val"}
    assert val["auroc"].value is None
    assert val["auprc"].value is None
    assert val["auroc"].interval.startswith("undefined")
    assert val["accuracy"].value is not None
    assert "val" not in evaluation.curves["roc"]
    assert "test" in evaluation.curves["roc"]


def test_an_empty_split_is_left_out():
    table = run_table()
    evaluation = evaluate_folds(Predictions(table[table["split"] != "val"]), ALL, seed=0, resamples=50)
    assert {m.split for m in evaluation.metrics} == {"train", "test"}


def count_positives(predictions):
    value = float(predictions.y_true.sum())
    n = len(predictions)
    metric = Metric(metric="count", definition="events", value=value, n=n, events=int(value), baseline=None)
    return Evaluation((metric,))


def test_a_plain_function_is_an_evaluator_without_an_interval():
    metric = evaluate_folds(Predictions(run_table()), [("count", count_positives)], seed=0).metrics[0]
    assert (metric.value, metric.low) == (10.0, None)
    assert metric.interval.startswith("none")


def test_an_interval_from_the_evaluator_stays():
    def exact(predictions):
        metric = count_positives(predictions).metrics[0]
        return Evaluation((replace(metric, low=1.0, high=20.0, level=0.9, interval="exact"),))

    metric = evaluate_folds(Predictions(run_table()), [("exact", exact)], seed=0).metrics[0]
    assert (metric.low, metric.high, metric.level, metric.interval) == (1.0, 20.0, 0.9, "exact")


def test_nan_from_an_evaluator_is_refused():
    def broken(predictions):
        return Evaluation((replace(count_positives(predictions).metrics[0], value=float("nan")),))

    with refused("evaluator.not_finite", names=("'broken_one'", "nan")) as caught:
        evaluate_folds(Predictions(run_table()), [("broken_one", broken)], seed=0)
    assert "'broken_one'" in caught.value.message


@pytest.mark.parametrize("column", ["split", "patient_id", "fold", "repeat"])
def test_rows_that_grouping_would_drop_are_refused(column):
    table = run_table()
    table[column] = table[column].astype(object)
    table.loc[4, column] = None
    with refused("predictions.empty_cell", names=("train4",)) as caught:
        evaluate_folds(Predictions(table), ALL, seed=0, resamples=10)
    assert column in caught.value.message
    assert "train4" in caught.value.message


def test_an_unknown_split_is_refused():
    table = run_table()
    table.loc[0, "split"] = "Test"
    with refused("predictions.unknown_split", names=("'Test'",)) as caught:
        evaluate_folds(Predictions(table), ALL, seed=0, resamples=10)
    assert "'test'" in caught.value.hint


class _Forged:
    """A plugin's evaluator that claims the name, the curve and the folds of a built-in one."""

    def __call__(self, predictions):
        one = Metric(metric="auroc", definition="forged", value=1.0, n=len(predictions), events=1, baseline=0.5)
        return Evaluation((one,), {"roc": {"fpr": [0, 1], "tpr": [1, 1]}})

    def across_folds(self, folds, *, level):
        return [Metric(metric="auroc_within_fold", definition="forged", value=1.0, n=1, events=1, baseline=0.5)]


@pytest.mark.parametrize("folds", [1, 3])
@pytest.mark.parametrize("first", [True, False])
def test_a_plugin_cannot_take_the_name_of_a_built_in_metric(folds, first):
    predictions = Predictions(run_table(folds=folds))
    true = evaluate_folds(predictions, ALL, seed=0, resamples=100)
    evaluators = [("lab:auroc", _Forged()), *ALL] if first else [*ALL, ("lab:auroc", _Forged())]
    both = evaluate_folds(predictions, evaluators, seed=0, resamples=100)
    built_in = tuple(metric for metric in both.metrics if not metric.metric.startswith("lab:"))
    assert built_in == true.metrics
    assert both.curves["roc"] == true.curves["roc"]
    forged = {metric.metric for metric in both.metrics} - {metric.metric for metric in true.metrics}
    assert {"lab:auroc"} <= forged
    assert all(name.startswith("lab:auroc") for name in forged)
    assert headline(both.metrics, "test") == headline(true.metrics, "test")
