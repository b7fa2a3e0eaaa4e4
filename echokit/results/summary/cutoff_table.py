"""The table of other cut-offs in ``summary.md``."""

from __future__ import annotations

from collections.abc import Sequence

from echokit.evaluation.evaluation import Metric
from echokit.evaluation.metrics.ef_cutoffs import PREFIX
from echokit.results.wording import interval, number, title


def is_cutoff(metric: Metric) -> bool:
    """Whether a metric belongs to another cut-off than the run's own."""
    return metric.metric.startswith(PREFIX) and metric.subgroup is not None


def cutoff_rows(metrics: Sequence[Metric], split: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of the table: one row a cut-off and fold, one column a metric."""
    cutoffs = [metric for metric in metrics if is_cutoff(metric) and metric.split == split and metric.fold is not None]
    names = list(dict.fromkeys(metric.metric for metric in cutoffs))
    folds = len({(metric.repeat, metric.fold) for metric in cutoffs}) > 1
    groups: dict[tuple[str, int | None, int | None], dict[str, Metric]] = {}
    for metric in cutoffs:
        groups.setdefault((str(metric.subgroup), metric.repeat, metric.fold), {})[metric.metric] = metric
    head = ("patients and positive class", *(("repeat", "fold") if folds else ()), "n", "positive")
    head += tuple(title(name.removeprefix(PREFIX)) for name in names)
    rows = []
    for (subgroup, repeat, fold), by_name in groups.items():
        first = next(iter(by_name.values()))
        which = (str(repeat), str(fold)) if folds else ()
        cells = [_cell(by_name[name]) if name in by_name else "none" for name in names]
        rows.append((subgroup, *which, f"{first.n:,}", f"{first.events:,}", *cells))
    return head, rows


def _cell(metric: Metric) -> str:
    parts = [interval(metric), None if metric.baseline is None else f"baseline {number(metric.baseline)}"]
    text = "; ".join(filter(None, parts))
    return f"{number(metric.value)} ({text})" if text else number(metric.value)
