"""Tests of a model against its baseline on the same patients."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.against_baseline import against_constant, against_larger_class
from echokit.evaluation.statistics.call_counts import Counts
from echokit.results.summary.cautions import cautions
from echokit.results.verdict import is_beaten, is_shown_better
from tests.evaluation.tables import evaluator, predictions_table, random_predictions


def counts(tn, fp, fn, tp):
    return Counts(*(np.array([float(cell)]) for cell in (tn, fp, fn, tp)))


def metrics_of(predictions, *names):
    evaluation = evaluate_folds(predictions, [(name, evaluator(name)) for name in names], seed=0, resamples=200)
    return {metric.metric: metric for metric in evaluation.metrics}


def in_cells(tn, fp, fn, tp):
    y = [0] * (tn + fp) + [1] * (fn + tp)
    score = [0.2] * tn + [0.8] * fp + [0.2] * fn + [0.8] * tp
    return Predictions(predictions_table(y, score), "reduced")


def test_accuracy_is_compared_with_the_larger_class_by_mcnemar():
    # 0.77 correct, with an interval that contains 0.70; but 8 patients against 1.
    metric = metrics_of(in_cells(69, 1, 22, 8), "accuracy")["accuracy"]
    assert metric.low < metric.baseline == 0.7 < metric.value
    assert metric.p == pytest.approx(stats.binomtest(1, 9).pvalue, abs=1e-12)
    assert "8 patients correct with the model only, 1 with the larger class only" in metric.p_method


def test_the_paired_test_decides_and_not_the_interval():
    metrics = metrics_of(in_cells(69, 1, 22, 8), "accuracy")
    metric = metrics["accuracy"]
    assert metric.low < metric.baseline
    assert metric.p < 0.05
    assert is_shown_better(metric) is True
    lines = cautions(list(metrics.values()), "test")
    assert not any("Accuracy" in line for line in lines)
    doubted = metrics_of(in_cells(64, 6, 20, 10), "accuracy")
    assert any("Accuracy" in line and "McNemar" in line for line in cautions(list(doubted.values()), "test"))


def test_a_significantly_worse_model_is_not_better():
    metric = metrics_of(in_cells(40, 30, 28, 2), "accuracy")["accuracy"]
    assert metric.p < 0.001
    assert is_beaten(metric)
    assert is_shown_better(metric) is False


def test_the_larger_class_may_be_the_positive_one():
    test = against_larger_class([counts(12, 8, 5, 75)])
    assert test.p == pytest.approx(stats.binomtest(5, 17).pvalue, abs=1e-12)


def test_discounted_patients_continue_the_exact_test():
    exact = against_larger_class([counts(60, 6, 10, 24)]).p
    # Twice the patients, discounted by two, are the same patients.
    assert against_larger_class([counts(120, 12, 20, 48)], discount=2).p == pytest.approx(exact, abs=1e-12)
    assert against_larger_class([counts(60, 6, 10, 24)] * 3, discount=2.1).p > exact
    assert against_larger_class([counts(70, 0, 30, 0)], discount=2.1).p == 1


def test_pooled_folds_are_discounted_as_in_their_interval():
    single = metrics_of(in_cells(69, 1, 22, 8), "accuracy")["accuracy"]
    table = in_cells(69, 1, 22, 8).table.assign(fold=np.arange(100) % 5)
    metric = metrics_of(Predictions(table), "accuracy")["accuracy_pooled"]
    assert metric.value == single.value
    assert metric.p > single.p
    assert metric.p_method.startswith("approximate")


@pytest.mark.parametrize("name", ["sensitivity", "specificity", "ppv", "npv", "balanced_accuracy", "f1", "mcc"])
def test_rates_are_compared_with_as_many_random_positives(name):
    metric = metrics_of(in_cells(50, 20, 9, 21), name)[name]
    two_tails = 2 * stats.fisher_exact([[50, 20], [9, 21]], alternative="greater").pvalue
    assert metric.p == pytest.approx(two_tails, rel=1e-9)
    assert metrics_of(in_cells(70, 0, 30, 0), name)[name].p is None


def test_brier_and_its_skill_are_paired():
    predictions = random_predictions(n=80, seed=3)
    y, score = predictions.y_true, predictions.y_score
    metric = metrics_of(predictions, "brier")["brier"]
    assert metric.p == pytest.approx(stats.ttest_rel((y.mean() - y) ** 2, (score - y) ** 2).pvalue, rel=1e-9)
    assert f"skill {1 - metric.value / metric.baseline:.3f}" in metric.p_method
    flat = Predictions(predictions.table.assign(y_score=y.mean()))
    assert metrics_of(flat, "brier")["brier"].p == 1


@pytest.mark.parametrize("name", ["log_loss", "mae", "rmse", "r2", "net_benefit", "auprc"])
def test_every_baseline_from_the_patients_has_a_paired_test(name):
    metric = metrics_of(random_predictions(n=240, shift=-0.5), name)[name]
    assert metric.p < 0.05
    assert is_shown_better(metric) is True


def test_few_patients_with_one_gain_are_not_certain():
    y = np.array([0, 1, 0, 1])
    test = against_constant((y - y) ** 2.0, (y - y.mean()) ** 2, "squared difference")
    assert test.p == 2 / 2**4
    assert against_constant(np.zeros(1), np.ones(1), "loss") is None
    assert against_constant(np.ones(5), np.ones(5), "loss").p == 1


def test_subgroups_keep_the_names_of_their_metrics():
    table = random_predictions(n=120).table.assign(sex=["F", "M"] * 60)
    evaluators = [("auroc", evaluator("auroc")), ("subgroups", evaluator("subgroups", by=["sex"], metrics=["auroc"]))]
    metrics = evaluate_folds(Predictions(table), evaluators, seed=0, resamples=100).metrics
    assert [(m.metric, m.subgroup) for m in metrics] == [("auroc", None), ("auroc", "sex = F"), ("auroc", "sex = M")]
    twice = evaluate_folds(Predictions(table), [*evaluators, evaluators[1]], seed=0, resamples=100).metrics
    assert [m.metric for m in twice[3:]] == ["auroc_3", "auroc_3"]
