"""Metrics of one run at several cut-offs of the ejection fraction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from echokit.errors import EchokitError
from echokit.evaluation.evaluation import Interval
from echokit.evaluation.metrics.accuracy import Accuracy
from echokit.evaluation.metrics.auprc import Auprc
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.statistics.bootstrap import interval_of

if TYPE_CHECKING:
    from echokit.evaluation.evaluation import Evaluation, Metric
    from echokit.evaluation.predictions import Predictions

Percent = Annotated[float, Field(gt=0, lt=100)]
PREFIX = "cutoff_"
"""Prefix of every metric here, so that none is mistaken for the run's own."""


class EfCutoffs:
    """Discrimination at other cut-offs of the ejection fraction.

    If the run estimates the EF, the estimate ranks the patients and is cut at the same value. If it does not, its
    score ranks them, although it was learned for another cut-off, and there is no accuracy, as the score has no
    threshold for other cut-offs. The metrics are named `cutoff_auroc` and so on, with the cut-off in `subgroup`.

    Args:
        cutoffs: A patient is positive below each of these, in percent.
        without: Patients with an EF from the first to the second, both included, are left out, and those
            below the band are compared with those above it: two readings of one heart differ by as much. An
            estimate is then cut in the middle of the band. null turns this off.
        inclusive: Whether a patient whose EF equals a cut-off is positive.

    Raises:
        EchokitError: The ends of the band are not in order.
    """

    def __init__(
        self,
        *,
        cutoffs: tuple[Percent, ...] = (35.0, 40.0, 45.0, 50.0),
        without: tuple[Percent, Percent] | None = (45.0, 55.0),
        inclusive: bool = False,
    ) -> None:
        if without is not None and not without[0] < without[1]:
            raise EchokitError(
                f"without: {list(without)} is not a band",
                hint="give its lower end first, such as [45, 55]",
                where="evaluate",
                code="cutoffs.bad_band",
            )
        self.cutoffs = cutoffs
        self.without = without
        self.inclusive = inclusive

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute every metric of one split at every cut-off, one row a patient."""
        from echokit.evaluation.evaluation import Evaluation

        return Evaluation(tuple(metric for part in self._parts(predictions) for metric in part.metrics()))

    def intervals(self, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Compute one interval for each metric, in the same order."""
        return [
            _interval(evaluator, part.predictions, level=level, seed=seed, resamples=resamples)
            for part in self._parts(predictions)
            for evaluator in part.evaluators
        ]

    def _parts(self, predictions: Predictions) -> Iterator[_Part]:
        sign = "<=" if self.inclusive else "<"
        for cutoff in self.cutoffs:
            positive = f"EF {sign} {cutoff:g}"
            yield self._part(predictions, cutoff, None, positive, f"all patients, positive is {positive}")
        if self.without is not None:
            low, high = self.without
            positive = f"EF < {low:g}"
            subgroup = f"EF {low:g} to {high:g} left out, positive is {positive}"
            yield self._part(predictions, (low + high) / 2, self.without, positive, subgroup)

    def _part(
        self, predictions: Predictions, cutoff: float, without: tuple[float, float] | None, positive: str, subgroup: str
    ) -> _Part:
        table = predictions.table
        if "target" not in table.columns:
            empty = replace(predictions, table=table.iloc[:0])
            return _Part(empty, subgroup, "the predictions hold no EF", (Auroc(), Auprc()))
        measured = table[np.isfinite(table["target"].to_numpy(np.float64))]
        n_unknown = len(table) - len(measured)
        ef = measured["target"].to_numpy(np.float64)
        if without is not None:
            measured = measured[(ef < without[0]) | (ef > without[1])]
            ef = measured["target"].to_numpy(np.float64)
        positives = ef <= cutoff if self.inclusive else ef < cutoff
        measured = measured.assign(y_true=positives.astype(np.int64))
        note = f"{n_unknown} patients without an EF are left out; " if n_unknown else ""
        if "prediction" not in measured.columns:
            note += f"ranked by the score that was learned for {predictions.positive!r}"
            return _Part(replace(predictions, table=measured, positive=positive), subgroup, note, (Auroc(), Auprc()))
        measured = measured.assign(y_score=cutoff - measured["prediction"])
        note += f"ranked by the estimated EF; the score is {cutoff:g} minus the estimated EF"
        changed = replace(predictions, table=measured, positive=positive, threshold=0.0, probability=False)
        return _Part(changed, subgroup, note, (Auroc(), Auprc(), Accuracy()))


@dataclass(frozen=True)
class _Part:
    """The predictions at one cut-off."""

    predictions: Predictions
    subgroup: str
    note: str
    evaluators: tuple[Any, ...]

    def metrics(self) -> Iterator[Metric]:
        prefix = f"{self.subgroup}, whatever class the run was trained for; {self.note}"
        for evaluator in self.evaluators:
            for metric in evaluator(self.predictions).metrics:
                yield replace(
                    metric,
                    metric=PREFIX + metric.metric,
                    subgroup=self.subgroup,
                    definition=f"{prefix}; {metric.definition}",
                )


def _interval(evaluator: Any, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Interval:
    if not len(predictions):
        return Interval(None, None, "none: no patients")
    (interval,) = interval_of(evaluator, predictions, level=level, seed=seed, resamples=resamples)
    return interval
