"""Metrics by subgroup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from echokit.errors import DataError, did_you_mean
from echokit.evaluation.evaluation import Evaluation, Interval, Metric, owned_name
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.bootstrap import interval_of

if TYPE_CHECKING:
    import pandas as pd

Names = Annotated[list[str], Field(min_length=1)]
ENOUGH = 10
MOST_VALUES = 6


class Subgroups:
    """Metrics in subgroups of the patients, with intervals, without tests.

    A numeric column with more than six values is cut at its median over the evaluated patients. A subgroup with fewer
    than 10 patients of either class gets its counts and no metric.

    Args:
        by: Columns of the cohort (`sex`, `age`).
        metrics: Names of evaluators.
    """

    metric = "subgroups"

    def __init__(self, *, by: Names, metrics: Names | None = None) -> None:
        self.covariates = tuple(by)
        self.metrics = tuple(metrics or ("auroc", "sensitivity", "specificity"))

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute every metric of every subgroup of one split, one row a patient."""
        return Evaluation(tuple(metric for _, _, metrics in self._parts(predictions) for metric in metrics))

    def intervals(self, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Compute intervals by the same methods as over all patients."""
        intervals: list[Interval] = []
        for evaluator, part, metrics in self._parts(predictions):
            if any(metric.value is not None for metric in metrics):
                intervals += interval_of(evaluator, part, level=level, seed=seed, resamples=resamples)
            else:
                intervals += [Interval(None, None, str(metric.interval)) for metric in metrics]
        return intervals

    def _parts(self, predictions: Predictions) -> Iterator[tuple[Any, Predictions, list[Metric]]]:
        from echokit.plugins.discovery import installed

        for name in self.metrics:
            component = installed().registry.get("evaluator", name)
            evaluator = component.load()()
            for covariate in self.covariates:
                for subgroup, rows in _groups(predictions.table, covariate):
                    part = replace(predictions, table=predictions.table[rows])
                    positives = int(part.y_true.sum())
                    metrics = [
                        replace(metric, metric=owned_name(metric.metric, component.full_name), subgroup=subgroup)
                        for metric in evaluator(part).metrics
                    ]
                    if min(positives, len(part) - positives) < ENOUGH:
                        why = f"counts only: fewer than {ENOUGH} patients of a class in this subgroup"
                        metrics = [replace(metric, value=None, baseline=None, interval=why) for metric in metrics]
                    yield evaluator, part, metrics


def _groups(table: pd.DataFrame, covariate: str) -> Iterator[tuple[str, Any]]:
    import pandas as pd

    if covariate not in table.columns:
        names = [str(column) for column in table.columns]
        raise DataError(
            f"there is no covariate {covariate!r} for subgroups",
            hint=did_you_mean(covariate, names) or f"the covariates are {', '.join(names)}",
            where="evaluate.subgroups.by",
            code="subgroups.no_column",
        )
    column = table[covariate]
    unknown = column.isna() | (column.astype(str).str.strip() == "")
    values = column[~unknown].unique()
    numbers = pd.to_numeric(column, errors="coerce")
    if len(values) > MOST_VALUES and numbers[~unknown].notna().all():
        cut = float(np.median(numbers[~unknown]))
        yield f"{covariate} <= {cut:g}", (~unknown & (numbers <= cut)).to_numpy()
        yield f"{covariate} > {cut:g}", (~unknown & (numbers > cut)).to_numpy()
    else:
        for value in sorted(values, key=str):
            yield f"{covariate} = {value}", (~unknown & (column == value)).to_numpy()
    if unknown.any():
        yield f"{covariate} unknown", unknown.to_numpy()
