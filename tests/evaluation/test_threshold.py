"""Thresholds that a rule chooses on the validation set."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.metrics.sensitivity import Sensitivity
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.threshold import as_rule
from echokit.evaluation.threshold_rules.sensitivity_at import SensitivityAt
from echokit.evaluation.threshold_rules.specificity_at import SpecificityAt
from echokit.evaluation.threshold_rules.youden import Youden
from tests.evaluation.tables import predictions_table
from tests.expect import refused


def rule_table(n_val, seed=0):
    rng = np.random.default_rng(seed)
    parts = []
    for split, n in (("val", n_val), ("test", 60)):
        y = (np.arange(n) % 2 == 0).astype(int)
        parts.append(predictions_table(y, 0.15 * y + 0.1 * rng.random(n), split=split, prefix=split))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("rule", ["youden", "sensitivity_at_0.90", "specificity_at_0.90"])
def test_a_rule_chooses_on_the_validation_set_only(rule):
    data = rule_table(60)
    val = data[data["split"] == "val"]
    metrics = evaluate_folds(Predictions(data), [("sensitivity", Sensitivity(threshold=rule))], seed=0).metrics
    metric = next(m for m in metrics if m.split == "test")
    assert metric.threshold == as_rule(rule)(val["y_true"].to_numpy(), val["y_score"].to_numpy())
    assert rule in metric.definition
    data.loc[data["split"] == "test", "y_score"] = 0.0
    again = evaluate_folds(Predictions(data), [("sensitivity", Sensitivity(threshold=rule))], seed=0).metrics
    assert next(m for m in again if m.split == "test").threshold == metric.threshold


def test_too_few_positives_keep_the_fixed_threshold():
    metrics = evaluate_folds(
        Predictions(rule_table(38)), [("sensitivity", Sensitivity(threshold="youden"))], seed=0
    ).metrics
    test = next(m for m in metrics if m.split == "test")
    assert test.threshold == 0.5
    assert "not chosen by youden" in test.definition


def test_rules_choose_the_documented_threshold():
    y, score = np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.5, 0.9])
    assert Youden()(y, score) == 0.5
    assert SensitivityAt(sensitivity=0.5)(y, score) == 0.9
    assert SpecificityAt(specificity=0.66)(y, score) == 0.5
    with pytest.raises(ValueError, match=r"specificity of 0\.90"):
        SpecificityAt(specificity=0.9)(y, np.array([0.1, 0.2, 0.9, 0.5, 0.9]))
    for rule in (Youden(), SensitivityAt(sensitivity=0.5), SpecificityAt(specificity=0.66)):
        with pytest.raises(ValueError, match="both classes"):
            rule(np.ones(5, np.int64), score)
    with refused("component.unknown", names=("best",)):
        as_rule("best")


def test_one_evaluator_at_two_thresholds_has_two_names():
    given = [("sensitivity", Sensitivity()), ("sensitivity", Sensitivity(threshold=0.1))]
    metrics = evaluate_folds(Predictions(rule_table(60)), given, seed=0).metrics
    names = [metric.metric for metric in metrics if metric.split == "test"]
    assert names == ["sensitivity", "sensitivity_at_0.1"]
