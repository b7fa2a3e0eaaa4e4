"""How numbers are put into words, once for tables, titles and legends."""

from __future__ import annotations

from collections.abc import Iterable

from echokit.evaluate.evaluation import Metric

UNDEFINED = "undefined"
_TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "f1": "F1",
    "mcc": "MCC",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "net_benefit": "Net benefit",
    "calibration_oe": "Observed/expected",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration intercept",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R²",
}
_OVER_FOLDS = {
    "_within_fold": " within folds",
    "_fold_mean": ", mean over folds",
    "_fold_sd": ", SD over folds",
    "_pooled": ", pooled over folds",
}


def title(metric: str) -> str:
    """The usual way to write the name of a metric; names of third parties stay as they are."""
    for ending, words in _OVER_FOLDS.items():
        if metric.endswith(ending):
            return title(metric.removesuffix(ending)) + words
    return _TITLES.get(metric, metric)


def number(value: float | None, digits: int = 3) -> str:
    """A number with a fixed count of digits, or the word undefined."""
    return UNDEFINED if value is None else f"{value:.{digits}f}"


def percent(level: float) -> str:
    """0.95 -> ``95 %``."""
    return f"{100 * level:.10g} %"


def count(n: int, one: str, many: str | None = None) -> str:
    """1 -> ``1 patient``, 1200 -> ``1,200 patients``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def interval(metric: Metric, digits: int = 3) -> str | None:
    """``95 % CI 0.85 to 0.98``, or None where the metric has no interval."""
    if metric.low is None or metric.high is None:
        return None
    level = f"{percent(metric.level)} " if metric.level is not None else ""
    return f"{level}CI {number(metric.low, digits)} to {number(metric.high, digits)}"


def estimate(metric: Metric, digits: int = 3) -> str:
    """``AUROC 0.93 (95 % CI 0.85 to 0.98)``."""
    text = f"{title(metric.metric)} {number(metric.value, digits)}"
    ends = interval(metric, digits)
    return f"{text} ({ends})" if ends else text


def select(metrics: Iterable[Metric], metric: str, split: str) -> list[Metric]:
    """The metrics of one name and split over the whole cohort, one a fold."""
    return [m for m in metrics if m.metric == metric and m.split == split and m.subgroup is None]
