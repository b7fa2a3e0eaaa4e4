"""What an evaluator promises: (Predictions of one split and fold, one row a patient) -> Evaluation."""

from __future__ import annotations

import json
import math

import numpy as np
import numpy.typing as npt

from echokit.evaluate.evaluation import Evaluation, Metric
from echokit.evaluate.evaluator import Resampled
from echokit.evaluate.predictions import Predictions
from echokit.testing.case import Skip, Subject, require

N = 60


def _predictions(subject: Subject, y_true: npt.NDArray[np.int64], seed: int = 4) -> Predictions:
    """One row a patient, scores with ties that tell a little of the class, an EF and its estimate."""
    import pandas as pd

    n = len(y_true)
    chance = np.random.default_rng(seed)
    score = np.round(np.clip(0.35 + 0.25 * y_true + chance.normal(0, 0.25, n), 0.01, 0.99), 2)
    value = np.where(y_true == 1, 38.0, 62.0) + chance.normal(0, 4, n)
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
            "prediction": value + chance.normal(0, 5, n),
            **{name: make(n) for name, make in subject.case.columns.items()},
        }
    )
    return Predictions(table, "reduced")


def _usual(subject: Subject) -> Predictions:
    return _predictions(subject, (np.arange(N) % 3 == 0).astype(np.int64))


def _evaluate(subject: Subject, predictions: Predictions) -> Evaluation:
    evaluation = subject.make()(predictions)
    require(isinstance(evaluation, Evaluation), f"it gives {type(evaluation).__name__}, not an Evaluation")
    made: Evaluation = evaluation
    return made


def _check_metric(metric: Metric, n: int) -> None:
    require(metric.definition.strip(), f"{metric.metric} has no definition")
    for name in ("value", "baseline", "low", "high"):
        number = getattr(metric, name)
        require(number is None or math.isfinite(number), f"{name} of {metric.metric} is {number}: undefined is None")
    require(0 <= metric.events <= metric.n <= n, f"{metric.metric} counts {metric.events} events of {metric.n}")


def check_gives_metrics_with_a_definition(subject: Subject) -> None:
    """At least one metric or curve; every metric has a definition, finite numbers or None, and its counts."""
    evaluation = _evaluate(subject, _usual(subject))
    require(evaluation.metrics or evaluation.curves, "it gives neither a metric nor a curve")
    for metric in evaluation.metrics:
        _check_metric(metric, N)
        if metric.subgroup is None:
            require(metric.n == N, f"{metric.metric} counts {metric.n} of {N} patients")
    json.dumps(dict(evaluation.curves), allow_nan=False)


def check_is_defined_or_says_not_on_one_class(subject: Subject) -> None:
    """Predictions of one class, or of one patient, give None where a metric is undefined; never NaN, never an error."""
    for y_true in (np.zeros(8, np.int64), np.ones(8, np.int64), np.array([1], np.int64), np.array([0, 1], np.int64)):
        predictions = _predictions(subject, y_true)
        for metric in _evaluate(subject, predictions).metrics:
            _check_metric(metric, len(y_true))


def check_the_order_of_patients_does_not_matter(subject: Subject) -> None:
    """The same patients in another order give the same numbers."""
    usual = _usual(subject)
    turned = Predictions(usual.table.iloc[::-1].reset_index(drop=True), usual.positive)
    for one, other in zip(_evaluate(subject, usual).metrics, _evaluate(subject, turned).metrics, strict=True):
        require(one.metric == other.metric and one.subgroup == other.subgroup, "the metrics come in another order")
        same = one.value == other.value or np.isclose(one.value or 0.0, other.value or 0.0, rtol=1e-9, atol=1e-12)
        require(bool(same), f"{one.metric} is {one.value} or {other.value}")


def check_does_not_change_its_input(subject: Subject) -> None:
    """The table of predictions is as before, and the same input gives the same numbers."""
    usual = _usual(subject)
    kept = usual.table.copy(deep=True)
    first, second = _evaluate(subject, usual), _evaluate(subject, usual)
    require(usual.table.equals(kept), "it wrote into the table")
    require(first.metrics == second.metrics, "two evaluations differ")


def check_agrees_with_a_reference(subject: Subject) -> None:
    """Its first metric is what the case's reference computes, with both classes and with ties."""
    if subject.case.reference is None:
        raise Skip("its case gives no reference")
    for seed in range(5):
        predictions = _predictions(subject, (np.arange(N) % 3 == 0).astype(np.int64), seed)
        value = _evaluate(subject, predictions).metrics[0].value
        wanted = subject.case.reference(predictions.y_true, predictions.y_score)
        same = value == wanted if value is None or wanted is None else bool(np.isclose(value, wanted, rtol=1e-6))
        require(same, f"it gives {value}, the reference {wanted}")


def check_its_statistic_is_its_metric(subject: Subject) -> None:
    """What is resampled is what is reported: weights of one give the value, doubled weights do not change it."""
    evaluator = subject.make()
    if not isinstance(evaluator, Resampled):
        raise Skip("it offers no statistic")
    usual = _usual(subject)
    (metric,) = _evaluate(subject, usual).metrics
    score = (usual.y_score >= usual.threshold).astype(np.float64) if evaluator.thresholded else usual.y_score
    found = evaluator.statistic(usual.y_true, score, np.stack([np.ones(N), np.full(N, 2.0)]))
    require(found.shape == (2,), f"the statistic gives {found.shape} for two weightings")
    require(
        metric.value is not None and bool(np.allclose(found, metric.value)),
        f"the statistic gives {found}, the metric {metric.value}",
    )
