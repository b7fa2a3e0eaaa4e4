"""Metrics by subgroup."""

from __future__ import annotations

import numpy as np

from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.metrics.subgroups import Subgroups
from echokit.evaluation.predictions import Predictions
from tests.evaluation.tables import predictions_table
from tests.expect import refused


def test_small_subgroups_show_counts_and_no_metric():
    rng = np.random.default_rng(0)
    y = (np.arange(80) % 2 == 0).astype(int)
    data = predictions_table(y, rng.random(80)).assign(sex=["F"] * 60 + ["M"] * 12 + [""] * 8, age=np.arange(80.0))
    rows = evaluate_folds(
        Predictions(data), [("subgroups", Subgroups(by=["sex", "age"], metrics=["auroc"]))], seed=0
    ).metrics
    metrics = {m.subgroup: m for m in rows}
    assert set(metrics) == {"sex = F", "sex = M", "sex unknown", "age <= 39.5", "age > 39.5"}
    assert metrics["sex = F"].low < metrics["sex = F"].value < metrics["sex = F"].high
    assert metrics["sex = M"].value is None
    assert (metrics["sex = M"].n, metrics["sex = M"].events) == (12, 6)
    assert metrics["sex = M"].low is None


def test_an_unknown_column_is_refused_with_a_suggestion():
    data = predictions_table([0, 1], [0.1, 0.9]).assign(sex=["F", "M"])
    with refused("subgroups.no_column", where="evaluate.subgroups.by") as caught:
        evaluate_folds(Predictions(data), [("subgroups", Subgroups(by=["sexx"]))], seed=0)
    assert "'sex'" in caught.value.hint
