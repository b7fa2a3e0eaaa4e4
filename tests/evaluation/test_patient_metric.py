"""`PatientMetric`: what follows from a name, a definition, a baseline and a statistic."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from echokit import PatientMetric, Predictions
from echokit.evaluation.evaluate_folds import evaluate_folds
from tests.evaluation.partial_auroc import PartialAuroc
from tests.evaluation.tables import TIGHT, predictions_table, random_predictions
from tests.expect import refused


@pytest.mark.parametrize("max_fpr", [0.05, 0.2, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_partial_auroc_is_that_of_sklearn(max_fpr, seed):
    given = random_predictions(n=54, seed=seed)  # rounded scores: some are equal, some rates are exactly 0.5
    (metric,) = PartialAuroc(max_fpr=max_fpr)(given).metrics
    assert metric.value == pytest.approx(roc_auc_score(given.y_true, given.y_score, max_fpr=max_fpr), **TIGHT)
    assert (metric.n, metric.events, metric.baseline, metric.interval) == (54, int(given.y_true.sum()), 0.5, None)
    assert "'reduced'" in metric.definition


def test_the_weights_of_the_statistic_count_patients():
    given, weights = random_predictions(seed=2), np.random.default_rng(0).integers(0, 3, (4, 60))
    values = PartialAuroc().statistic(given.y_true, given.y_score, weights)
    repeated = [(np.repeat(given.y_true, row), np.repeat(given.y_score, row)) for row in weights]
    assert values == pytest.approx([roc_auc_score(y, score, max_fpr=0.2) for y, score in repeated], **TIGHT)


def test_interval_and_rows_over_folds_follow():
    one = evaluate_folds(random_predictions(), [("lab:pauroc", PartialAuroc())], seed=0, resamples=200)
    (metric,) = one.metrics
    assert metric.metric == "lab:pauroc"
    assert metric.low < metric.value < metric.high
    assert "200 resamples stratified by class" in metric.interval
    folds = [random_predictions(n=40, seed=fold).table.assign(fold=fold) for fold in range(3)]
    several = evaluate_folds(Predictions(pd.concat(folds)), [("lab:pauroc", PartialAuroc())], seed=0, resamples=200)
    rows = {(row.metric, row.fold): row.value for row in several.metrics}
    values = [rows["lab:pauroc", fold] for fold in range(3)]
    assert rows["lab:pauroc_fold_mean", None] == pytest.approx(np.mean(values))
    assert rows["lab:pauroc_fold_sd", None] == pytest.approx(np.std(values, ddof=1))


@pytest.mark.parametrize("y", [[1, 1, 1], [0, 0], []])
def test_undefined_is_none_and_has_a_reason(y):
    (metric,) = PartialAuroc()(Predictions(predictions_table(y, np.linspace(0, 1, len(y))))).metrics
    assert (metric.value, metric.baseline, metric.n, metric.events) == (None, None, len(y), sum(y))
    assert metric.interval.startswith("undefined: ")


class Odd(PatientMetric):
    """The odds of the predicted classes: undefined if all are positive."""

    name = "odds"
    definition = "positive calls over negative calls"
    two_classes = False
    thresholded = True
    unit = "odds"

    def baseline(self, y, score):
        return float("nan")

    def statistic(self, y, score, weights):
        assert set(score) <= {0.0, 1.0}
        called, n = weights @ score, weights.sum(1)
        return np.divide(called, n - called, out=np.full(len(weights), np.nan), where=called < n)


def test_a_metric_of_predicted_classes():
    given = Predictions(predictions_table([0, 1, 1, 1], [0.1, 0.4, 0.6, 0.9]))
    (metric,) = Odd()(given).metrics
    assert (metric.value, metric.threshold, metric.unit, metric.baseline) == (1.0, 0.5, "odds", None)
    assert "0.5" in metric.definition
    (lower,) = Odd()(dataclasses.replace(given, threshold=0.4)).metrics
    assert lower.value == 3.0
    (none,) = Odd()(dataclasses.replace(given, threshold=0.0)).metrics
    assert none.value is None
    assert none.interval.startswith("undefined: ")


@pytest.mark.parametrize(
    "given", [np.zeros(3), np.zeros((1, 1)), 0.5, None, "x"], ids=["too many", "a table", "a number", "none", "text"]
)
def test_a_statistic_of_another_shape_is_refused(given):
    class Wrong(PatientMetric):
        name = definition = "wrong"

        def baseline(self, y, score):
            return None

        def statistic(self, y, score, weights):
            return given

    with refused("evaluator.wrong_statistic", "evaluate"):
        Wrong()(random_predictions(30, 0))


def test_a_statistic_that_is_short_for_the_bootstrap_is_refused():
    class Short(PatientMetric):
        name = definition = "short"

        def baseline(self, y, score):
            return None

        def statistic(self, y, score, weights):
            return np.zeros(1)

    with refused("evaluator.wrong_statistic", "evaluate"):
        evaluate_folds(random_predictions(30, 0), [("short", Short())], seed=0, resamples=50)
