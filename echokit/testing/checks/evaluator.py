"""Checks of an evaluator: (Predictions of one split and fold, one row per patient) -> Evaluation."""

from __future__ import annotations

import json
import math

import numpy as np
import numpy.typing as npt

from echokit.evaluation.curve import curve_content
from echokit.evaluation.evaluation import Evaluation, Metric
from echokit.evaluation.evaluator import Resampled
from echokit.evaluation.predictions import Predictions
from echokit.testing.case import Skip, Subject, require

N = 60


def _predictions(subject: Subject, y_true: npt.NDArray[np.int64], seed: int = 4) -> Predictions:
    """Create one row per patient: weak scores with ties, EF and estimate."""
    import pandas as pd

    n = len(y_true)
    generator = np.random.default_rng(seed)
    score = np.round(np.clip(0.35 + 0.25 * y_true + generator.normal(0, 0.25, n), 0.01, 0.99), 2)
    value = np.where(y_true == 1, 38.0, 62.0) + generator.normal(0, 4, n)
    table = pd.DataFrame(
        {
            "case_id": [f"case-{row:03d}" for row in range(n)],
            "patient_id": [f"patient-{row:03d}" for row in range(n)],
            "split": "test",
            "repeat": 0,
            "fold": 0,
            "y_true": y_true,
            "y_score": score,
            "target": value,
            "prediction": value + generator.normal(0, 5, n),
            **{name: make(n) for name, make in subject.case.columns.items()},
        }
    )
    return Predictions(table, "reduced")


def _usual(subject: Subject) -> Predictions:
    return _predictions(subject, (np.arange(N) % 3 == 0).astype(np.int64))


def _evaluate(subject: Subject, predictions: Predictions) -> Evaluation:
    evaluation = subject.make()(predictions)
    require(isinstance(evaluation, Evaluation), f"it gives {type(evaluation).__name__}, not an Evaluation")
    checked: Evaluation = evaluation
    return checked


def _check_metric(metric: Metric, n: int) -> None:
    require(metric.definition.strip(), f"{metric.metric} has no definition")
    for name in ("value", "baseline", "low", "high"):
        number = getattr(metric, name)
        require(number is None or math.isfinite(number), f"{name} of {metric.metric} is {number}: undefined is None")
    require(
        0 <= metric.events <= metric.n <= n,
        f"{metric.metric} counts {metric.events} positives among {metric.n} patients",
    )


def check_gives_metrics_with_a_definition(subject: Subject) -> None:
    """Each metric has a definition, counts, and finite numbers or None."""
    evaluation = _evaluate(subject, _usual(subject))
    require(evaluation.metrics or evaluation.curves, "it gives neither a metric nor a curve")
    for metric in evaluation.metrics:
        _check_metric(metric, N)
        if metric.subgroup is None:
            require(metric.n == N, f"{metric.metric} counts {metric.n} of {N} patients")
    for name, curve in evaluation.curves.items():
        json.dumps(curve_content(subject.component.full_name, name, curve), allow_nan=False)


def check_is_defined_or_says_not_on_one_class(subject: Subject) -> None:
    """With one class or one patient, an undefined metric is None."""
    for y_true in (np.zeros(8, np.int64), np.ones(8, np.int64), np.array([1], np.int64), np.array([0, 1], np.int64)):
        predictions = _predictions(subject, y_true)
        for metric in _evaluate(subject, predictions).metrics:
            _check_metric(metric, len(y_true))


def check_the_order_of_patients_does_not_matter(subject: Subject) -> None:
    """The order of the patients does not change the numbers."""
    usual = _usual(subject)
    reversed_order = Predictions(usual.table.iloc[::-1].reset_index(drop=True), usual.positive)
    for first, second in zip(
        _evaluate(subject, usual).metrics, _evaluate(subject, reversed_order).metrics, strict=True
    ):
        require(first.metric == second.metric and first.subgroup == second.subgroup, "the order of the metrics differs")
        same = first.value == second.value or np.isclose(first.value or 0.0, second.value or 0.0, rtol=1e-9, atol=1e-12)
        require(bool(same), f"{first.metric} is {first.value} or {second.value}")


def check_does_not_change_its_input(subject: Subject) -> None:
    """The input table is not modified, and the same input gives the same numbers."""
    usual = _usual(subject)
    original = usual.table.copy(deep=True)
    first, second = _evaluate(subject, usual), _evaluate(subject, usual)
    require(usual.table.equals(original), "it modified the table")
    require(first.metrics == second.metrics, "two evaluations differ")


def check_agrees_with_a_reference(subject: Subject) -> None:
    """The first metric equals the reference of the case, with ties too."""
    if subject.case.reference is None:
        raise Skip("its case has no reference")
    for seed in range(5):
        predictions = _predictions(subject, (np.arange(N) % 3 == 0).astype(np.int64), seed)
        value = _evaluate(subject, predictions).metrics[0].value
        expected = subject.case.reference(predictions.y_true, predictions.y_score)
        same = value == expected if value is None or expected is None else bool(np.isclose(value, expected, rtol=1e-6))
        require(same, f"it gives {value}, the reference {expected}")


def check_its_statistic_is_its_metric(subject: Subject) -> None:
    """The resampled statistic is the metric, for unit and doubled weights."""
    evaluator = subject.make()
    if not isinstance(evaluator, Resampled):
        raise Skip("it has no statistic")
    usual = _usual(subject)
    (metric,) = _evaluate(subject, usual).metrics
    score = (usual.y_score >= usual.threshold).astype(np.float64) if evaluator.thresholded else usual.y_score
    statistics = evaluator.statistic(usual.y_true, score, np.stack([np.ones(N), np.full(N, 2.0)]))
    require(statistics.shape == (2,), f"the statistic gives {statistics.shape} for two weightings")
    require(
        metric.value is not None and bool(np.allclose(statistics, metric.value)),
        f"the statistic gives {statistics}, the metric {metric.value}",
    )
