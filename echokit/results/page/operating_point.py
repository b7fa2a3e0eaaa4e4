"""AUROC, sensitivity, specificity, PPV and NPV of a run, listed or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.evaluation import Metric
from echokit.evaluation.evaluator import AtThreshold, Evaluator
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.metrics.npv import Npv
from echokit.evaluation.metrics.ppv import Ppv
from echokit.evaluation.metrics.sensitivity import Sensitivity
from echokit.evaluation.metrics.specificity import Specificity
from echokit.evaluation.predictions import Predictions
from echokit.recipe.recipe import Recipe

RATES = (Sensitivity, Specificity, Ppv, Npv)
ADDED = "computed for this page from predictions.csv, as the recipe does not evaluate it"


def added_metrics(metrics: Sequence[Metric], predictions: Predictions, recipe: Recipe) -> list[Metric]:
    """Compute those metrics of the test set that the run did not compute.

    They are the metrics that the built-in evaluators give in a recipe, at the threshold of the run's accuracy, combined
    over folds as the recipe says.

    Args:
        metrics: Of the run.
        predictions: Of the run, one row a case and fold, with its threshold.
        recipe: Of the run.
    """
    names = {metric.metric for metric in metrics if metric.split == "test" and metric.subgroup is None}
    rule = _threshold_rule(recipe)
    missing: list[tuple[str, Evaluator]] = [] if "auroc" in names else [("auroc", Auroc())]
    missing += [(rate.metric, rate(threshold=rule)) for rate in RATES if rate.metric not in names]
    if not missing:
        return []
    aggregators = [(use.component.full_name, use.build()) for use in recipe.aggregators]
    evaluation = evaluate_folds(predictions, missing, seed=recipe.seed, splits=("val", "test"), aggregators=aggregators)
    return [
        replace(metric, definition=f"{metric.definition}; {ADDED}")
        for metric in evaluation.metrics
        if metric.split == "test"
    ]


def _threshold_rule(recipe: Recipe) -> Any:
    """Find the threshold of the recipe's accuracy, else of its first metric."""
    evaluators = ((use.name, use.build()) for use in recipe.evaluators)
    rules = {name: one.threshold_rule for name, one in evaluators if isinstance(one, AtThreshold)}
    return rules.get("accuracy", next(iter(rules.values()), None))
