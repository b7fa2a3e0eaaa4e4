"""Result types of an evaluation: metrics, intervals and curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EVALUATE = ("evaluator", "aggregator")
"""The kinds of component that a recipe names under ``evaluate``; a name that both have is an evaluator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number and what it means.

    Attributes:
        metric: Name of the metric. Over folds it names how the folds were combined: ``auroc_fold_mean``,
            ``auroc_fold_sd``, ``auroc_within_fold``, ``auroc_pooled``.
        definition: Exact definition: positive class, averaging, threshold and where it was chosen.
        value: The number, or None if it is undefined (a class is missing). Undefined is not zero.
        low, high: Ends of the interval, or None.
        level: Nominal level of the interval (0.95), or None.
        interval: Name of the interval method, or why there is none.
        n: Patients counted.
        events: Patients of the positive class among them.
        baseline: What a model without any information scores (majority accuracy, 0.5, chance average precision).
        split: ``train``, ``val`` or ``test``.
        repeat, fold: Which fold, or None for a number over all folds.
        subgroup: ``sex = F``, or None for the whole split.
        threshold: Score at and above which a patient is classified as positive, if the metric needs one.
        unit: Empty for a pure number.
        p: Two-sided p value of the model against the baseline on the same patients, or None if it has no such test.
        p_method: Name of that test and what it counted, or None.
    """

    metric: str
    definition: str
    value: float | None
    n: int
    events: int
    baseline: float | None
    split: str = ""
    repeat: int | None = None
    fold: int | None = None
    subgroup: str | None = None
    threshold: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    interval: str | None = None
    unit: str = ""
    p: float | None = None
    p_method: str | None = None


def owned_name(name: str, evaluator: str) -> str:
    """Name a metric or a curve with the plugin of its evaluator.

    The plain names belong to the built-in evaluators, so no plugin's number can take the place of theirs.

    Args:
        name: Of the metric.
        evaluator: Full name of the evaluator: ``plugin:name``, or ``name`` if it is built in.
    """
    plugin = evaluator.rpartition(":")[0]
    return f"{plugin}:{name}" if plugin else name


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval.

    Attributes:
        low, high: Its ends, or None.
        method: Name of the method, or why there is no interval.
        undefined: Number of resamples left out because the statistic is undefined in them.
    """

    low: float | None
    high: float | None
    method: str
    undefined: int = 0


@dataclass(frozen=True, slots=True)
class BaselineTest:
    """A comparison of a model with its baseline on the same patients.

    Attributes:
        p: Two-sided p value.
        method: Name of the test, and what it counted.
    """

    p: float
    method: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics and curves of one evaluator, or of a whole run.

    Attributes:
        metrics: In the order of the recipe.
        curves: Of one evaluator: by name, an ``echokit.Curve``, which the page draws, or JSON-able data. Of a run: the
            content of ``curves.json`` by name (``roc``, ``pr``, ``confusion``) and split.
    """

    metrics: tuple[Metric, ...] = ()
    curves: Mapping[str, Any] = field(default_factory=dict)
