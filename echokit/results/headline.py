"""Which metrics of a run are shown first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from echokit.evaluation.evaluation import Metric

HEADLINE = ("auroc", "sensitivity", "specificity", "ppv", "npv", "mae", "accuracy", "r2", "auprc")
"""What is shown first, in this order."""
JOINED = ("_within_fold", "_pooled", "_fold_mean")
"""How folds are combined, the most informative way first."""
MOST = 7


def whole_rows(metrics: Iterable[Metric], split: str) -> list[Metric]:
    """Select the metrics of a whole split: over all folds, or of the only one."""
    of_split = [metric for metric in metrics if (metric.split, metric.subgroup) == (split, None)]
    several = len({(metric.repeat, metric.fold) for metric in of_split if metric.fold is not None}) > 1
    return [metric for metric in of_split if not (several and metric.fold is not None)]


def joined(rows: Iterable[Metric], name: str) -> Metric | None:
    """Select the best row of a built-in metric over all folds, or of the only one.

    An AUROC across the scores of different models is biased, so its mean over folds is better.

    Args:
        rows: From ``whole_rows``.
        name: Name of the metric: ``auroc``.
    """
    found: dict[str, Metric] = {}
    for metric in rows:
        found.setdefault(metric.metric, metric)
    endings = ("_within_fold", "_fold_mean", "_pooled") if name == "auroc" else JOINED
    return next((found[name + ending] for ending in (*endings, "") if name + ending in found), None)


def headline(metrics: Sequence[Metric], split: str) -> list[Metric]:
    """Select metrics of the whole split, in the order of HEADLINE.

    If only the aggregators of plugins have combined the folds, their rows are selected, in the same order.
    """
    rows = whole_rows(metrics, split)
    chosen = [metric for name in HEADLINE if (metric := joined(rows, name)) is not None]
    return (chosen or sorted(rows, key=_order))[:MOST]


def _order(metric: Metric) -> int:
    plain = metric.metric.rpartition(":")[2]
    return next((i for i, name in enumerate(HEADLINE) if f"{plain}_".startswith(f"{name}_")), len(HEADLINE))
