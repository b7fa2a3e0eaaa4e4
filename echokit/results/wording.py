"""Formatting of metrics and numbers in tables, titles and legends."""

from __future__ import annotations

from collections.abc import Iterable

from echokit.evaluation.evaluation import Metric

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
_SETS = {"train": "training set", "val": "validation set", "test": "test set"}
_COLUMNS = {
    "ef": "EF (%)",
    "esv": "ESV (mL)",
    "edv": "EDV (mL)",
    "fps": "frames per second",
    "height": "height (pixels)",
    "width": "width (pixels)",
}
_OVER_FOLDS = {
    "_within_fold": " within folds",
    "_fold_mean": ", mean over folds",
    "_fold_sd": ", SD over folds",
    "_pooled": ", pooled over folds",
}


def title(metric: str) -> str:
    """Format the name of a metric; unknown names stay as they are."""
    for ending, text in _OVER_FOLDS.items():
        if metric.endswith(ending):
            return title(metric.removesuffix(ending)) + text
    return _TITLES.get(metric, metric)


def base_name(metric: str) -> str:
    """Remove how the folds were joined: ``ppv_pooled`` -> ``ppv``."""
    return next((metric.removesuffix(ending) for ending in _OVER_FOLDS if metric.endswith(ending)), metric)


def column_name(column: str) -> str:
    """Format a column of a cohort with its unit: ``ef`` -> ``EF (%)``."""
    return _COLUMNS.get(column, column)


def with_unit(column: str, text: str) -> str:
    """Format a value or condition of a column: ``ef``, ``< 50`` -> ``EF < 50 %``."""
    name, _, unit = column_name(column).partition(" (")
    return f"{name} {text} {unit.rstrip(')')}".rstrip()


def set_name(split: str) -> str:
    """Format a split: ``test`` -> ``test set``."""
    return _SETS.get(split, f"{split} split")


def number(value: float | None, digits: int = 3) -> str:
    """Format a number with a fixed count of digits; None is ``undefined``."""
    return UNDEFINED if value is None else f"{value:.{digits}f}"


def percent(level: float) -> str:
    """Format a share: 0.95 -> ``95 %``."""
    return f"{100 * level:.10g} %"


def count(n: int, singular: str, plural: str | None = None) -> str:
    """Format a count: 1 -> ``1 patient``, 1200 -> ``1,200 patients``."""
    return f"{n:,} {singular if n == 1 else plural or singular + 's'}"


def interval(metric: Metric, digits: int = 3) -> str | None:
    """Format an interval: ``95 % CI 0.85 to 0.98``; None if the metric has none."""
    if metric.low is None or metric.high is None:
        return None
    level = f"{percent(metric.level)} " if metric.level is not None else ""
    return f"{level}CI {number(metric.low, digits)} to {number(metric.high, digits)}"


def p_value(metric: Metric) -> str | None:
    """Format the test against the baseline: ``p = 0.012 (McNemar, ...)``.

    None without one.
    """
    if metric.p is None:
        return None
    p = f"p = {metric.p:.3f}" if metric.p >= 0.001 else "p < 0.001"
    return f"{p} ({metric.p_method})" if metric.p_method else p


def estimate(metric: Metric, digits: int = 3) -> str:
    """Format a metric: ``AUROC 0.93 (95 % CI 0.85 to 0.98)``."""
    text = f"{title(metric.metric)} {number(metric.value, digits)}"
    ends = interval(metric, digits)
    return f"{text} ({ends})" if ends else text


def select(metrics: Iterable[Metric], metric: str, split: str) -> list[Metric]:
    """Select the metrics of one name and split over all patients, one a fold."""
    return [m for m in metrics if m.metric == metric and m.split == split and m.subgroup is None]
