"""Metrics over all folds of a cross-validation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.metrics.accuracy import Accuracy
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.wilson import wilson
from tests.evaluation.tables import predictions_table


def folds(repeats=1, seed=0):
    """Twelve patients, 4 positives, 4 folds a repeat; fold 3 holds one class only."""
    rng = np.random.default_rng(seed)
    y = np.array([1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0])
    parts = []
    for repeat in range(repeats):
        score = rng.random(12)
        for fold in range(4):
            rows = slice(3 * fold, 3 * fold + 3)
            part = predictions_table(y, score, repeat=repeat, fold=4 * repeat + fold)
            parts.append(part.iloc[rows])
    return pd.concat(parts, ignore_index=True)


def over_folds(data, evaluators):
    return {
        m.metric: m for m in evaluate_folds(Predictions(data, "died"), evaluators, seed=0).metrics if m.fold is None
    }


@pytest.mark.parametrize("repeats", [1, 3])
def test_the_auroc_within_folds_counts_pairs_of_the_same_fold(repeats):
    data = folds(repeats)
    row = over_folds(data, [("auroc", Auroc())])["auroc_within_fold"]
    won = pairs = 0
    for _, part in data.groupby("fold"):
        for p in part.loc[part["y_true"] == 1, "y_score"]:
            for q in part.loc[part["y_true"] == 0, "y_score"]:
                won, pairs = won + (p > q), pairs + 1
    assert row.value == pytest.approx(won / pairs)
    assert f"{pairs} pairs in {3 * repeats} folds" in row.definition
    assert (row.n, row.events) == (12, 4)
    assert row.low < row.value < row.high
    assert row.interval.startswith("approximate")


def test_undefined_folds_are_left_out_of_mean_and_sd():
    data = folds()
    rows = over_folds(data, [("auroc", Auroc())])
    values = [
        Auroc()(Predictions(part)).metrics[0].value for _, part in data.groupby("fold") if part["y_true"].nunique() == 2
    ]
    assert rows["auroc_fold_mean"].value == pytest.approx(np.mean(values))
    assert rows["auroc_fold_sd"].value == pytest.approx(np.std(values, ddof=1))
    assert "3 folds; 1 more" in rows["auroc_fold_mean"].definition


def test_the_pooled_auroc_of_shifted_folds_shows_its_bias():
    data = pd.concat(
        [predictions_table([1, 0], [0.9, 0.8], fold=0), predictions_table([1, 0], [0.3, 0.2], fold=1, prefix="q")]
    )
    rows = over_folds(data, [("auroc", Auroc())])
    assert rows["auroc_within_fold"].value == 1.0
    assert rows["auroc_pooled"].value == 0.75
    assert "-0.250" in rows["auroc_pooled"].definition
    assert rows["auroc_pooled"].low is None
    assert rows["auroc_within_fold"].low < 0.9  # no certainty from two pairs


def test_pooled_accuracy_has_a_wider_interval_than_wilson():
    rows = over_folds(folds(), [("accuracy", Accuracy())])
    data = folds()
    right = ((data["y_score"] >= 0.5) == (data["y_true"] == 1)).mean()
    pooled = rows["accuracy_pooled"]
    assert pooled.value == pytest.approx(right)
    assert pooled.baseline == pytest.approx(8 / 12)

    plain = wilson(12 * right, 12)
    assert pooled.low < plain.low
    assert pooled.high > plain.high


def test_leave_pair_out_has_no_pooled_auroc():
    y, score = np.array([1, 1, 0, 0, 0]), np.array([0.9, 0.2, 0.1, 0.3, 0.4])
    whole = predictions_table(y, score)
    pairs = [(i, j) for i in (0, 1) for j in (2, 3, 4)]
    data = pd.concat([whole.iloc[[i, j]].assign(fold=number) for number, (i, j) in enumerate(pairs)])
    rows = over_folds(data, [("auroc", Auroc())])
    assert rows["auroc_within_fold"].value == pytest.approx(Auroc()(Predictions(whole)).metrics[0].value)
    assert "auroc_pooled" not in rows
    assert rows["auroc_within_fold"].low is None
