"""Claims that the numbers of a small or imbalanced cohort do not support."""

from __future__ import annotations

from collections.abc import Sequence

from echokit.evaluation.evaluation import Metric
from echokit.evaluation.statistics.null_distributions import best_of_random
from echokit.evaluation.statistics.sample_size import STUDY
from echokit.results.summary.enough_patients import enough_patients
from echokit.results.verdict import is_beaten, is_shown_better
from echokit.results.wording import count, interval, number, p_value, select, set_name, title

# Metrics without a better direction, or which another row covers.
_NOT_COMPARED = ("confusion_", "calibration_", "bland_altman_", "study_auprc_")
_JOINED = ("_fold_mean", "_fold_sd", "auroc_pooled")


def cautions(metrics: Sequence[Metric], split: str, *, tried: int = 1) -> list[str]:
    """List the claims that the metrics of one split do not support.

    Args:
        metrics: From ``evaluate_folds``.
        split: The split that the answer is about.
        tried: Number of configurations tried on the same data, including this one.

    Returns:
        Sentences; empty if there is nothing to warn of.
    """
    of_split = [metric for metric in metrics if metric.split == split and metric.subgroup is None]
    if not of_split:
        return [f"No metric was computed on the {set_name(split)}, so the performance on new patients is unknown."]
    names = list(dict.fromkeys(metric.metric for metric in of_split))
    folds = [metric for metric in select(of_split, names[0], split) if metric.fold is not None] or [of_split[0]]
    first_repeat = [metric for metric in folds if metric.repeat == folds[0].repeat]
    lines = [*_size(metrics, split), *_many_tries(first_repeat, tried)]
    if len(folds) > 1:
        lines.append(
            "Values of single folds have no interval here. The spread between folds is not an interval either: the "
            "training sets overlap, so folds are not independent."
        )
    weak = []
    for name in names:
        if not name.rpartition(":")[2].startswith(_NOT_COMPARED) and not name.endswith(_JOINED):
            of_folds = select(of_split, name, split)
            lines += _undefined(of_folds) if len(of_folds) > 1 else _against_baseline(of_folds[0])
            beaten = sum(map(is_beaten, of_folds))
            if len(of_folds) > 1 and beaten:
                weak.append(f"{title(name)} ({beaten} of {len(of_folds)} folds)")
    if weak:
        lines.append(f"In single folds not better than a model without any information: {', '.join(weak)}.")
    return lines


def _many_tries(folds: Sequence[Metric], tried: int) -> list[str]:
    """Report the expected best AUROC of as many models without information."""
    positives, n = sum(metric.events for metric in folds), sum(metric.n for metric in folds)
    if tried < 2 or not 0 < min(positives, n - positives) < STUDY.of_each_class:
        return []
    sizes = [(metric.events, metric.n) for metric in folds]
    if not any(0 < positives < n for positives, n in sizes):
        return []
    over_folds = f" as a mean over {len(sizes)} folds" if len(sizes) > 1 else ""
    return [
        f"{tried} configurations were tried on these data in this folder. The best of {tried} models without any "
        f"information has an expected AUROC of {best_of_random(sizes, tried):.2f}{over_folds}. The best configuration "
        "must be compared with that, not with 0.5."
    ]


def _size(metrics: Sequence[Metric], split: str) -> list[str]:
    enough = enough_patients(metrics, split)
    if enough is None or enough.grade == "study":
        return []
    n, positives = enough.n, enough.positives
    few, name = (positives, "positive") if positives <= n - positives else (n - positives, "negative")
    if few == 0:
        return [
            f"The {set_name(split)} ({count(n, 'patient')}) has one class only: whether the model separates the "
            "classes cannot be measured. Undefined is not zero."
        ]
    return [
        f"The {set_name(split)} has {count(few, f'{name} patient')}, {enough.verdict}. So it is also too small to "
        "compare models that differ by a few points, to choose a threshold, or to analyse subgroups."
    ]


def _undefined(folds: Sequence[Metric]) -> list[str]:
    undefined = sum(metric.value is None for metric in folds)
    return [f"{title(folds[0].metric)} is undefined in {undefined} of {len(folds)} folds."] if undefined else []


def _against_baseline(metric: Metric) -> list[str]:
    name, reference = title(metric.metric), f"{_reference(metric.metric)} ({number(metric.baseline)})"
    if is_beaten(metric):
        return [f"{name} {number(metric.value)} is not better than {reference}."]
    if is_shown_better(metric) is False:
        if metric.p is not None:
            return [
                f"{name} {number(metric.value)}: the data do not show that the model is better than {reference}, "
                f"{p_value(metric)}."
            ]
        return [
            f"The interval of {name} ({interval(metric)}) includes the value of {reference}: the data do not show that "
            "the model is better."
        ]
    if metric.low is not None and metric.low == metric.high:
        return [f"The interval of {name} has no width because all resamples agree; that is not certainty."]
    return []


def _reference(metric: str) -> str:
    """The model that the baseline of a metric belongs to."""
    return "always predicting the larger class" if metric.startswith("accuracy") else "a model without any information"
