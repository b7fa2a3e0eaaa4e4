"""The one number of an evaluator, for the choice of an epoch."""

from __future__ import annotations

from dataclasses import replace

from echokit.errors import EchokitError
from echokit.evaluation.evaluate_folds import check_finite
from echokit.evaluation.evaluation import Metric
from echokit.evaluation.evaluator import AtThreshold, Evaluator
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.threshold import as_rule, with_threshold


def one_metric(name: str, evaluator: Evaluator, predictions: Predictions) -> Metric:
    """Compute the only metric of an evaluator on validation cases, by patient.

    Raises:
        EchokitError: It gives no metric or several, or a value that is not a finite number (undefined is None).
    """
    rule = as_rule(evaluator.threshold_rule) if isinstance(evaluator, AtThreshold) else None
    metrics = evaluator(with_threshold(predictions.per_patient(), None, rule)).metrics
    if len(metrics) != 1:
        raise EchokitError(
            f"the evaluator {name!r} gives {len(metrics)} metrics, so it cannot select an epoch",
            code="train.not_one_number",
        )
    metric = replace(metrics[0], split="val")
    check_finite(f"the evaluator {name!r}", metric)
    return metric
