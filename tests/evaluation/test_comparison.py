"""Paired comparison of two runs."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from echokit.evaluation.paired_comparison import compare_predictions
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.against_baseline import mcnemar_p
from tests.evaluation.tables import predictions_table
from tests.expect import refused


def pair(n=200, seed=0):
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 3 == 0).astype(int)
    base = y + rng.normal(size=n)
    expit = [1 / (1 + np.exp(-(base + scale * rng.normal(size=n)))) for scale in (2.0, 0.3)]
    return [Predictions(predictions_table(y, score)) for score in expit]


def test_every_comparison_favours_the_better_run():
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
    with refused("comparison.many_folds"):
        compare_predictions(first, Predictions(parts))
    with refused("comparison.other_patients"):
        compare_predictions(first, Predictions(second.table.iloc[2:]))
    flipped = second.table.assign(y_true=1 - second.table["y_true"])
    with refused("comparison.other_classes"):
        compare_predictions(first, Predictions(flipped))
    with refused("comparison.no_split"):
        compare_predictions(first, second, split="val")


@pytest.mark.parametrize(("b", "c"), [(0, 0), (0, 5), (3, 9), (12, 12)])
def test_mcnemar_agrees_with_statsmodels(b, c):
    assert mcnemar_p(b, c) == pytest.approx(mcnemar([[10, b], [c, 10]], exact=True).pvalue, abs=1e-10, rel=1e-10)
