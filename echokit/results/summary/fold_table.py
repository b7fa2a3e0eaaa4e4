"""Metrics by fold, with mean ± sample SD, as in the reference study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from echokit.evaluation.evaluation import Metric
from echokit.results.wording import UNDEFINED, number, title

MOST_COLUMNS = 10
"""Up to this number, folds have their own columns; with more, only mean and SD are shown."""
ABOUT_FOLDS = ("_fold_mean", "_fold_sd")


def fold_rows(metrics: Sequence[Metric]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Build head and rows of the table.

    Args:
        metrics: Metrics of several folds, including those over all folds.
    """
    folds = sorted({(m.repeat, m.fold) for m in metrics if m.repeat is not None and m.fold is not None})
    shown = folds if len(folds) <= MOST_COLUMNS else []
    head = ("split", "metric", *(f"fold {fold}" for _, fold in shown), "mean ± SD", "n", "positive", "baseline")
    over = {(m.split, m.metric, m.subgroup): m for m in metrics if m.fold is None}
    groups: dict[tuple[str, str, str | None], dict[tuple[int | None, int | None], Metric]] = {}
    for metric in metrics:
        if metric.fold is not None:
            key = (metric.split, metric.metric, metric.subgroup)
            groups.setdefault(key, {})[(metric.repeat, metric.fold)] = metric
    means = any(name.endswith(ABOUT_FOLDS) for _, name, _ in over)
    if not means:  # other aggregators were chosen
        head = ("split", "metric", *(f"fold {fold}" for _, fold in shown), "lowest to highest")
    rows = []
    for (split, name, subgroup), values in groups.items():
        mean, sd = (over.get((split, f"{name}{ending}", subgroup)) for ending in ABOUT_FOLDS)
        cells = [number(values[fold].value) if fold in values else "none" for fold in shown]
        label = title(name) + (f" [{subgroup}]" if subgroup else "")
        if not means:
            rows.append((split, label, *cells, _range(values)))
            continue
        counts = (f"{mean.n:,}", f"{mean.events:,}") if mean else ("", "")
        baseline = "none" if mean is None or mean.baseline is None else number(mean.baseline)
        rows.append((split, label, *cells, _mean_and_sd(mean, sd, values), *counts, baseline))
    return head, rows


def _range(values: Mapping[tuple[int | None, int | None], Metric]) -> str:
    numbers = [metric.value for metric in values.values() if metric.value is not None]
    text = f"{number(min(numbers))} to {number(max(numbers))}" if numbers else UNDEFINED
    return text + _undefined(len(values) - len(numbers) if numbers else 0, len(values))


def _undefined(undefined: int, of: int) -> str:
    return f" ({undefined} of {of} undefined)" if undefined else ""


def _mean_and_sd(mean: Metric | None, sd: Metric | None, values: dict[tuple[int | None, int | None], Metric]) -> str:
    if mean is None or mean.value is None:
        return UNDEFINED
    text = number(mean.value) + (f" ± {number(sd.value)}" if sd is not None and sd.value is not None else "")
    return text + _undefined(sum(metric.value is None for metric in values.values()), len(values))
