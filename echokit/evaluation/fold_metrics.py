"""The aggregator interface: from a metric of every fold to rows over all folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from echokit.evaluation.evaluation import Interval, Metric
from echokit.evaluation.evaluator import AcrossFolds, Evaluator

if TYPE_CHECKING:
    from echokit.evaluation.predictions import Predictions


@dataclass(frozen=True, kw_only=True)
class FoldMetrics:
    """One metric over the folds of a cross-validation: what an aggregator combines.

    All folds of all repeats are here; ``metrics[i].repeat`` and ``metrics[i].fold`` say which one is which.

    Attributes:
        metrics: One row a fold, of one metric, split and subgroup. ``value`` is None where the metric is undefined.
        folds: The predictions of the same folds, in the same order, one row a patient, each at the threshold of its
            fold. They hold all patients of the fold; those of a subgroup are counted by ``metrics[i].n``.
        train_sizes: Patients in the training set of each fold; None if the predictions hold none.
        evaluator: What computed the metrics: ``evaluator(folds[0])`` gives those of the first fold.
        split: ``train``, ``val`` or ``test``. Models have seen the outcomes of the first two.
        level: Nominal level of an interval.
        seed: Seed for an aggregator that draws random numbers.
    """

    metrics: tuple[Metric, ...]
    folds: tuple[Predictions, ...]
    train_sizes: tuple[int | None, ...]
    evaluator: Evaluator
    split: str
    level: float = 0.95
    seed: int = 0

    @property
    def name(self) -> str:
        """Name of the metric."""
        return self.metrics[0].metric

    @property
    def definition(self) -> str:
        """Definition of the metric in the first fold."""
        return self.metrics[0].definition

    @property
    def values(self) -> list[float]:
        """The values of the folds in which the metric is defined."""
        return [metric.value for metric in self.metrics if metric.value is not None]

    @property
    def over(self) -> str:
        """The folds in a definition: ``4 folds; 1 more are undefined and left out``."""
        undefined = len(self.metrics) - len(self.values)
        return f"{len(self.values)} folds" + (f"; {undefined} more are undefined and left out" if undefined else "")

    def row(
        self,
        name: str,
        definition: str,
        value: float | None,
        interval: Interval,
        *,
        baseline: float | None = None,
    ) -> Metric:
        """Make a row over all folds.

        Patients are counted in the first repeat only, so each once.

        Args:
            name: What is added to the name of the metric: ``fold_mean`` gives ``auroc_fold_mean``.
            definition: Exact definition.
            value: The number, or None if it is undefined.
            interval: The interval, or no ends and why there is none.
            baseline: The same combination for a model without any information, or None.
        """
        first = self.metrics[0]
        counted = [metric for metric in self.metrics if metric.repeat == first.repeat]
        return Metric(
            metric=f"{first.metric}_{name}",
            definition=definition,
            value=value,
            n=sum(metric.n for metric in counted),
            events=sum(metric.events for metric in counted),
            baseline=baseline,
            split=self.split,
            subgroup=first.subgroup,
            threshold=first.threshold if len({metric.threshold for metric in self.metrics}) == 1 else None,
            low=interval.low,
            high=interval.high,
            level=None if interval.low is None else self.level,
            interval=interval.method,
            unit=first.unit,
        )

    def of_evaluator(self) -> list[Metric]:
        """Compute what the evaluator itself gives over all test folds.

        Empty for the training and validation sets, and for an evaluator without ``across_folds``.
        """
        if self.split != "test" or not isinstance(self.evaluator, AcrossFolds):
            return []
        rows = self.evaluator.across_folds(self.folds, level=self.level)
        return [replace(row, split=self.split) for row in rows]


class Aggregator(Protocol):
    """Combine a metric over the folds of a cross-validation.

    It is called once for each metric, subgroup and split with several folds. It returns no row where it has none to
    give. Of a row, ``evaluate_folds`` sets split, repeat, fold and subgroup.
    """

    def __call__(self, folds: FoldMetrics, /) -> Sequence[Metric]: ...
