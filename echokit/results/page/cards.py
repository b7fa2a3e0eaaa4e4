"""The cards at the top of the page: one metric each, as a number, a line and a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from echokit.evaluation.cross_validation import APPROXIMATE
from echokit.evaluation.evaluation import Metric
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.call_counts import confusion_of
from echokit.results.wording import base_name, number, p_value, percent, title

_FROM_0_TO_1 = ("auroc", "auprc", "sensitivity", "specificity", "ppv", "npv", "accuracy")


@dataclass(frozen=True, slots=True)
class Card:
    """A metric as the page shows it.

    Attributes:
        title: Name of the metric, without how folds were joined.
        value: The number, with its unit.
        words: What the number says about the patients; may be empty.
        interval: The interval, or why there is none.
        has_interval: Whether there is one.
        baseline: The baseline.
        patients: Number of patients and of positive ones.
        definition: Definition, interval method and test.
        line: Value, ends and baseline on a line from 0 to 1, in percent; empty for a metric of another range.
    """

    title: str
    value: str
    words: str
    interval: str
    has_interval: bool
    baseline: str
    patients: str
    definition: str
    line: Mapping[str, float]


def cards(metrics: Sequence[Metric], predictions: Predictions | None) -> list[Card]:
    """Build one card for each metric.

    Args:
        metrics: From ``headline``.
        predictions: The test set, one row a patient, at the threshold of the metrics; None if several models or
            thresholds classify a patient.
    """
    by_name = {base_name(metric.metric): metric for metric in metrics}
    words = _in_words(by_name["auroc"].value if "auroc" in by_name else None, predictions)
    return [_card(metric, words.get(base_name(metric.metric), "")) for metric in metrics]


def _card(metric: Metric, words: str) -> Card:
    ends = ""
    if metric.low is not None and metric.high is not None:
        about = "approximate " if (metric.interval or "").startswith(APPROXIMATE) else ""
        ends = f"{about}{percent(metric.level or 0.95)} CI {number(metric.low, 2)} to {number(metric.high, 2)}"
    definition = metric.definition + (f". Interval: {metric.interval}" if metric.interval else "")
    definition += f". Against the baseline: {p_value(metric)}" if metric.p is not None else ""
    line = {}
    if base_name(metric.metric) in _FROM_0_TO_1 and metric.value is not None:
        places = {"value": metric.value, "low": metric.low, "high": metric.high, "baseline": metric.baseline}
        line = {name: round(100 * place, 2) for name, place in places.items() if place is not None}
    return Card(
        title=title(metric.metric).partition(",")[0],
        value=number(metric.value, 2) + (f" {metric.unit}" if metric.unit and metric.value is not None else ""),
        words=words,
        interval=ends or re.sub("^none: ", "no interval: ", metric.interval or "no interval"),
        has_interval=bool(ends),
        baseline="no baseline" if metric.baseline is None else f"baseline {number(metric.baseline, 2)}",
        patients=f"n {metric.n:,}, {metric.events:,} positive",
        definition=definition,
        line=line,
    )


def _in_words(auroc: float | None, predictions: Predictions | None) -> dict[str, str]:
    """Describe the metrics; those at a threshold need one table of counts."""
    words = {}
    if auroc is not None:
        pairs = "of 100 pairs of a patient of each class"
        words["auroc"] = f"the score orders {100 * auroc:.0f} {pairs} correctly"
    if predictions is None:
        return words
    positive, cells = predictions.positive, confusion_of(predictions)
    tn, fp, fn, tp = (cells[name] for name in ("tn", "fp", "fn", "tp"))
    return words | {
        "sensitivity": f"{tp:,} of {tp + fn:,} {positive} recognized",
        "specificity": f"{tn:,} of {tn + fp:,} not {positive} recognized",
        "ppv": f"{tp:,} of {tp + fp:,} classified as {positive} are right",
        "npv": f"{tn:,} of {tn + fn:,} classified as not {positive} are right",
        "accuracy": f"{tp + tn:,} of {len(predictions):,} are right",
    }
