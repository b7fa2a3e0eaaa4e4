"""The built-in aggregators: how metrics of folds become rows over all folds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from echokit.evaluation.evaluation import Interval, Metric
from echokit.evaluation.fold_metrics import Aggregator, FoldMetrics

WITHIN = "_within_fold"


class MeanSd:
    """Mean and sample SD over folds, as in the reference study.

    ``auroc_fold_mean`` and ``auroc_fold_sd`` (ddof = 1), of every metric on every set. Folds in which the metric is
    undefined are counted and left out. There is no interval: folds share training cases, so their spread is no standard
    error of the mean.
    """

    def __call__(self, folds: FoldMetrics) -> Sequence[Metric]:
        """Compute both rows."""
        values = folds.values
        baselines = [m.baseline for m in folds.metrics if m.value is not None and m.baseline is not None]
        why = "none: folds share training cases, so their spread is no standard error"
        mean = folds.row(
            "fold_mean",
            f"mean over {folds.over}, of: {folds.definition}",
            statistics.fmean(values) if values else None,
            Interval(None, None, why if values else f"undefined in all {len(folds.metrics)} folds"),
            baseline=statistics.fmean(baselines) if values and len(baselines) == len(values) else None,
        )
        why = "none: it describes the folds" if len(values) > 1 else "undefined: fewer than two defined folds"
        sd = folds.row(
            "fold_sd",
            f"sample standard deviation (ddof = 1) over {folds.over}, of: {folds.definition}",
            statistics.stdev(values) if len(values) > 1 else None,
            Interval(None, None, why),
        )
        return mean, sd


class Within:
    """The metric among patients of the same test fold only.

    ``auroc_within_fold``: the share of the pairs of patients of one fold that its model orders correctly, so every fold
    weighs by its pairs, with an approximate interval. Only the AUROC and evaluators of plugins with ``across_folds``
    have such a value; other metrics get no row.
    """

    def __call__(self, folds: FoldMetrics) -> Sequence[Metric]:
        """Select the evaluator's own row."""
        return [row for row in folds.of_evaluator() if row.metric.endswith(WITHIN)]


class Pooled:
    """The metric of the patients of all test folds together.

    ``accuracy_pooled`` and the other proportions of patients, each patient at the threshold of its fold, with an
    approximate interval; ``auroc_pooled``, which also compares scores of different models and is biased by that. Only
    these and evaluators of plugins with ``across_folds`` have such a value; other metrics get no row.
    """

    def __call__(self, folds: FoldMetrics) -> Sequence[Metric]:
        """Select the evaluator's own rows."""
        return [row for row in folds.of_evaluator() if not row.metric.endswith(WITHIN)]


DEFAULT: tuple[tuple[str, Aggregator], ...] = (
    ("kfold_within", Within()),
    ("kfold_pooled", Pooled()),
    ("kfold_mean_sd", MeanSd()),
)
"""What combines folds if no aggregator is named."""
