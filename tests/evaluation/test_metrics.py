"""Accuracy, AUROC and average precision against scikit-learn, and undefined values."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    roc_auc_score,
    roc_curve,
)

from echokit.evaluation.evaluator import Resampled
from echokit.evaluation.metrics.accuracy import Accuracy
from echokit.evaluation.metrics.auprc import Auprc
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.predictions import Predictions
from tests.evaluation.tables import predictions_table

EVALUATORS = [Accuracy(), Auroc(), Auprc()]


def predictions(y, score, threshold=0.5):
    return Predictions(predictions_table(y, score), "reduced", threshold)


@st.composite
def weighted(draw):
    """Labels with both classes, scores from few levels (many ties) or many, and weights of 4 resamples."""
    n = draw(st.integers(2, 40))
    y = np.array([*draw(st.lists(st.integers(0, 1), min_size=n - 2, max_size=n - 2)), 0, 1])
    levels = draw(st.sampled_from([2, 5, 1000]))
    score = np.array(draw(st.lists(st.integers(0, levels), min_size=n, max_size=n))) / levels
    weights = np.array(draw(st.lists(st.integers(0, 3), min_size=4 * n, max_size=4 * n))).reshape(4, n)
    return y, score, weights


@settings(max_examples=80, deadline=None)
@given(weighted())
def test_weighted_statistics_agree_with_scikit_learn(data):
    y, score, weights = data
    predicted = (score >= 0.5).astype(float)
    results = [Accuracy().statistic(y, predicted, weights), Auroc().statistic(y, score, weights)]
    results.append(Auprc().statistic(y, score, weights))
    for b, row in enumerate(weights):
        accuracy, auroc, auprc = (float(result[b]) for result in results)
        if row.sum():
            assert accuracy == pytest.approx(accuracy_score(y, predicted, sample_weight=row), abs=1e-10)
        else:
            assert np.isnan(accuracy)
        if row[y == 1].sum() and row[y == 0].sum():
            kept = row > 0
            expected = roc_auc_score(y[kept], score[kept], sample_weight=row[kept])
            assert auroc == pytest.approx(expected, abs=1e-10)
            expected = average_precision_score(y[kept], score[kept], sample_weight=row[kept])
            assert auprc == pytest.approx(expected, abs=1e-10)
        else:
            assert np.isnan(auroc)
            assert np.isnan(auprc)


@settings(max_examples=40, deadline=None)
@given(weighted())
def test_values_and_curves_agree_with_scikit_learn(data):
    y, score, _ = data
    table = predictions(y, score, threshold=0.4)
    accuracy, auroc, auprc = (evaluator(table) for evaluator in EVALUATORS)
    assert accuracy.metrics[0].value == pytest.approx(accuracy_score(y, score >= 0.4), abs=1e-10)
    assert auroc.metrics[0].value == pytest.approx(roc_auc_score(y, score), abs=1e-10)
    assert auprc.metrics[0].value == pytest.approx(average_precision_score(y, score), abs=1e-10)
    confusion = accuracy.curves["confusion"]
    expected = confusion_matrix(y, score >= 0.4, labels=[0, 1]).ravel().tolist()
    assert [confusion[key] for key in ("tn", "fp", "fn", "tp")] == expected
    fpr, tpr, _ = roc_curve(y, score, drop_intermediate=False)
    np.testing.assert_allclose(auroc.curves["roc"]["fpr"], fpr, atol=1e-12)
    np.testing.assert_allclose(auroc.curves["roc"]["tpr"], tpr, atol=1e-12)
    pr = auprc.curves["pr"]
    steps = np.diff([0.0, *pr["recall"]]) * pr["precision"]
    assert steps.sum() == pytest.approx(auprc.metrics[0].value, abs=1e-10)


def test_fractional_weights_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    y, score, weights = rng.integers(0, 2, 50), rng.integers(0, 9, 50) / 8, rng.random((3, 50))
    auroc, auprc = Auroc().statistic(y, score, weights), Auprc().statistic(y, score, weights)
    for b, row in enumerate(weights):
        assert auroc[b] == pytest.approx(roc_auc_score(y, score, sample_weight=row), abs=1e-10)
        assert auprc[b] == pytest.approx(average_precision_score(y, score, sample_weight=row), abs=1e-10)


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("evaluator", [Auroc(), Auprc()])
def test_one_class_is_undefined_not_zero(evaluator, label):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluation = evaluator(predictions([label] * 6, np.linspace(0, 1, 6)))
    metric = evaluation.metrics[0]
    assert (metric.value, metric.baseline, metric.low, metric.high) == (None, None, None, None)
    assert metric.interval.startswith("undefined")
    assert (metric.n, metric.events) == (6, 6 * label)
    assert evaluation.curves == {}


def test_accuracy_is_defined_for_one_class():
    metric = Accuracy()(predictions([0, 0, 0], [0.1, 0.2, 0.9])).metrics[0]
    assert (metric.value, metric.baseline) == (pytest.approx(2 / 3), 1.0)


def test_a_score_at_the_threshold_is_positive():
    confusion = Accuracy()(predictions([0, 1], [0.5, 0.5])).curves["confusion"]
    assert confusion == {"tn": 0, "fp": 1, "fn": 0, "tp": 1, "threshold": 0.5}


def test_accuracy_refuses_scores_without_a_threshold():
    with pytest.raises(ValueError, match="threshold"):
        Accuracy().statistic(np.array([0, 1]), np.array([0.2, 0.8]), np.ones((1, 2)))


def test_definitions_name_class_and_threshold():
    table = predictions([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.4], threshold=0.25)
    accuracy, auroc, auprc = (evaluator(table).metrics[0] for evaluator in EVALUATORS)
    assert all("'reduced'" in metric.definition for metric in (accuracy, auroc, auprc))
    assert "0.25" in accuracy.definition
    assert accuracy.threshold == 0.25
    assert "(R_k - R_{k-1}) P_k" in auprc.definition
    assert auroc.threshold is None
    assert auroc.baseline == 0.5


def test_only_auroc_is_stratified():
    assert all(isinstance(evaluator, Resampled) for evaluator in EVALUATORS)
    assert [evaluator.stratified for evaluator in EVALUATORS] == [False, True, False]
