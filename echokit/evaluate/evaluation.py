"""Evaluation: metrics with all that is needed to read them, and curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number and what it means.

    Attributes:
        metric: Name of the evaluator.
        definition: Exact definition in words: positive class, averaging, threshold and where it was chosen.
        value: The number, or None where it is undefined (a class is missing). Undefined is not zero.
        low, high: Ends of the interval, or None where there is none.
        level: Nominal level of the interval (0.95), or None.
        interval: Name of the interval method, or why there is none.
        n: Patients counted.
        events: Patients of the positive class among them.
        baseline: What a model without any information scores (majority accuracy, 0.5, chance average precision).
        unit: Empty for a pure number.
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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics and curves of one evaluator, or of a whole run.

    Attributes:
        metrics: In the order of the recipe.
        curves: JSON-able data by name (``roc``, ``pr``, ``confusion``) and split.
    """

    metrics: tuple[Metric, ...] = ()
    curves: Mapping[str, Any] = field(default_factory=dict)
