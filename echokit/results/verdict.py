"""Whether a metric shows that a model is better than its baseline."""

from __future__ import annotations

from echokit.evaluation.evaluation import Metric

_LOWER_IS_BETTER = ("brier", "log_loss", "mae", "rmse")
USUAL_LEVEL = 0.95


def is_beaten(metric: Metric) -> bool:
    """Return whether the baseline is as good, whatever the uncertainty."""
    if metric.value is None or metric.baseline is None:
        return False
    return _direction(metric) * (metric.value - metric.baseline) <= 0


def is_shown_better(metric: Metric) -> bool | None:
    """Return whether the model is significantly better than the baseline.

    By the paired test if the metric has one: its baseline then comes from the same patients, and varies with it. If
    not, the baseline has to lie outside the interval.

    Returns:
        None if there is no value, no baseline, or neither test nor interval.
    """
    if metric.value is None or metric.baseline is None:
        return None
    if metric.p is not None:
        return not is_beaten(metric) and metric.p < 1 - (metric.level or USUAL_LEVEL)
    sign = _direction(metric)
    nearer = metric.low if sign > 0 else metric.high
    return None if nearer is None else sign * (nearer - metric.baseline) > 0


def _direction(metric: Metric) -> int:
    """1 if higher is better, -1 if lower is."""
    return -1 if metric.metric.rpartition(":")[2].startswith(_LOWER_IS_BETTER) else 1
