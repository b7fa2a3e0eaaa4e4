"""Evaluate a run: every evaluator on every split and fold, with intervals."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from echokit.errors import DataError, EchokitError, did_you_mean, shortened
from echokit.evaluation.aggregators import DEFAULT
from echokit.evaluation.curve import curve_content
from echokit.evaluation.evaluation import BaselineTest, Evaluation, Interval, Metric, owned_name
from echokit.evaluation.evaluator import AgainstBaseline, AtThreshold, Evaluator
from echokit.evaluation.fold_metrics import Aggregator, FoldMetrics
from echokit.evaluation.predictions import NO_PROBABILITY, Predictions, list_cases
from echokit.evaluation.statistics.bootstrap import interval_of
from echokit.evaluation.threshold import Rule, as_rule, with_threshold

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "val", "test")
NO_STATISTIC = "none: the evaluator offers no statistic to resample"
ONE_OF_FOLDS = "none: one of {folds} folds, whose test scores come from different models"

PLAIN = re.compile(r"[\w.:-]*[^\W_]")
"""A metric's name that a table can hold."""
Curves = dict[str, dict[str, list[dict[str, Any]]]]


def evaluate_folds(
    predictions: Predictions,
    evaluators: Sequence[tuple[str, Evaluator]],
    *,
    seed: int,
    resamples: int = 10_000,
    level: float = 0.95,
    splits: Sequence[str] = SPLITS,
    aggregators: Sequence[tuple[str, Aggregator]] = (),
) -> Evaluation:
    """Evaluate predictions by patient.

    Scores are averaged per patient within split, repeat and fold first. A split with one fold gets an interval from
    every evaluator that has one; all evaluators see the same resamples. A split with several folds gives one metric a
    fold without an interval, then the rows of the aggregators over all folds (repeat and fold None). A threshold rule
    is applied to the validation set of the same fold.

    Args:
        predictions: One row a case and fold.
        evaluators: Full name and evaluator, in the order of the recipe. A plugin's metrics and curves are named with
            the plugin.
        seed: Seed of the bootstrap.
        resamples: Bootstrap resamples.
        level: Nominal level of the intervals.
        splits: Splits to evaluate, in this order; those without a row are left out.
        aggregators: Full name and aggregator, in the order of the recipe; by default those of ``DEFAULT``.

    Returns:
        Metrics ordered by evaluator, split and fold. Curves by name and split: a list of one mapping a fold,
        which adds ``repeat``, ``fold``, ``n`` and ``events`` to the curve of the evaluator.

    Raises:
        DataError: A row has no patient, split or fold, a split is unknown, or a patient has two outcomes.
        EchokitError: An evaluator or aggregator gave a value that is not a finite number (undefined is None).
    """
    _check_keys(predictions.table, splits)
    patients = predictions.per_patient()
    parts = list(_parts(patients, splits))
    bootstrap = _Bootstrap(level, seed, resamples)
    over_folds = _OverFolds(aggregators or DEFAULT, _train_sizes(patients), bootstrap)
    metrics: list[Metric] = []
    curves: Curves = {}
    names: dict[tuple[str, str | None], int] = {}
    for number, (name, evaluator) in enumerate(evaluators):
        rule = as_rule(evaluator.threshold_rule) if isinstance(evaluator, AtThreshold) else None
        for _, group in itertools.groupby(parts, key=lambda part: part.split):
            folds = [replace(part, rows=_set_threshold(part, parts, rule)) for part in group]
            rows: list[Metric] = []
            for part in folds:
                evaluation = evaluator(part.rows)
                rows += _complete(name, evaluator, evaluation.metrics, part, len(folds), bootstrap)
                _add_curves(curves, evaluation, part, name)
            if len(folds) > 1:
                rows += over_folds.rows(name, evaluator, rows, folds)
            metrics += [replace(metric, metric=_unique_name(metric, number, names, rule)) for metric in rows]
    return Evaluation(tuple(metrics), curves)


@dataclass(frozen=True, slots=True)
class _Part:
    """The patients of one split and fold."""

    split: str
    repeat: int
    fold: int
    rows: Predictions


@dataclass(frozen=True, slots=True)
class _Bootstrap:
    level: float
    seed: int
    resamples: int


def _parts(patients: Predictions, splits: Sequence[str]) -> Iterator[_Part]:
    for split in splits:
        for _, rows in patients.table[patients.table["split"] == split].groupby(["repeat", "fold"], sort=True):
            repeat, fold = int(rows["repeat"].iloc[0]), int(rows["fold"].iloc[0])
            yield _Part(split, repeat, fold, replace(patients, table=rows))


def _set_threshold(part: _Part, parts: Sequence[_Part], rule: float | Rule | None) -> Predictions:
    """Set the threshold by a rule, on the validation set of the same fold."""
    validation = [p for p in parts if p.split == "val" and (p.repeat, p.fold) == (part.repeat, part.fold)]
    return with_threshold(part.rows, validation[0].rows if validation else None, rule)


def _complete(
    name: str, evaluator: Evaluator, metrics: Sequence[Metric], part: _Part, folds: int, bootstrap: _Bootstrap
) -> list[Metric]:
    """Add split, repeat, fold and interval to the metrics of an evaluator."""
    intervals: list[Interval] = []
    level = bootstrap.level
    if folds == 1 and any(metric.interval is None and metric.low is None for metric in metrics):
        intervals = interval_of(evaluator, part.rows, level=level, seed=bootstrap.seed, resamples=bootstrap.resamples)
    if len(intervals) != len(metrics):
        reason = ONE_OF_FOLDS.format(folds=folds) if folds > 1 else NO_STATISTIC
        intervals = [Interval(None, None, reason)] * len(metrics)
    tests: Sequence[BaselineTest | None] = [None] * len(metrics)
    if folds == 1 and isinstance(evaluator, AgainstBaseline) and len(part.rows):
        tests = evaluator.against_baseline(part.rows, seed=bootstrap.seed)
    completed = []
    for metric, interval, test in zip(metrics, intervals, tests, strict=True):
        owned = owned_name(metric.metric, name)
        metric = replace(metric, metric=owned, split=part.split, repeat=part.repeat, fold=part.fold)
        if not part.rows.probability:
            metric = replace(metric, definition=f"{metric.definition}; the score is {NO_PROBABILITY}")
        check_finite(f"the evaluator {name!r}", metric)
        if metric.interval is None and metric.low is None:
            low, high = interval.low, interval.high
            metric = replace(metric, low=low, high=high, level=None if low is None else level, interval=interval.method)
        if test is not None and metric.value is not None and metric.baseline is not None:
            metric = replace(metric, p=test.p, p_method=test.method)
        completed.append(metric)
    return completed


@dataclass(frozen=True, slots=True)
class _OverFolds:
    """The aggregators of an evaluation, and what they may know of its folds."""

    aggregators: Sequence[tuple[str, Aggregator]]
    train_sizes: Mapping[tuple[int, int], int]
    settings: _Bootstrap

    def rows(
        self, name: str, evaluator: Evaluator, metrics: Sequence[Metric], folds: Sequence[_Part]
    ) -> Iterator[Metric]:
        """Combine the metrics of one evaluator and split over its folds."""
        parts = {(part.repeat, part.fold): part for part in folds}
        groups: dict[tuple[str, str | None], list[Metric]] = {}
        for metric in metrics:
            groups.setdefault((metric.metric, metric.subgroup), []).append(metric)
        given: dict[tuple[str, str | None], int] = {}
        for number, (owner, aggregator) in enumerate(self.aggregators):
            rows: dict[Metric, None] = {}  # an ordered set: an evaluator of several metrics gives its own rows for each
            for group in groups.values():
                rows |= dict.fromkeys(self._combined(name, evaluator, (owner, aggregator), group, parts))
            for row in rows:
                other = given.setdefault((row.metric, row.subgroup), number) != number
                yield replace(row, metric=f"{row.metric}_{number + 1}") if other else row

    def _combined(
        self,
        name: str,
        evaluator: Evaluator,
        aggregator: tuple[str, Aggregator],
        metrics: Sequence[Metric],
        parts: Mapping[tuple[int, int], _Part],
    ) -> Iterator[Metric]:
        keys = [(int(metric.repeat or 0), int(metric.fold or 0)) for metric in metrics]
        split = metrics[0].split
        folds = FoldMetrics(
            metrics=tuple(metrics),
            folds=tuple(parts[key].rows for key in keys),
            train_sizes=tuple(self.train_sizes.get(key) for key in keys),
            evaluator=evaluator,
            split=split,
            level=self.settings.level,
            seed=self.settings.seed,
        )
        owner, combine = aggregator
        for row in checked_rows(owner, combine(folds)):
            owned = row.metric
            for of in (name, owner):
                owned = owned if owned.startswith(owned_name("", of)) else owned_name(owned, of)
            row = replace(row, metric=owned, split=split, repeat=None, fold=None, subgroup=metrics[0].subgroup)
            check_finite(f"the aggregator {owner!r}", row)
            if ":" in owner and not PLAIN.fullmatch(owned):
                raise EchokitError(
                    f"the aggregator {owner!r} named a metric {shortened(ascii(owned))}",
                    hint="use letters, digits, '_', '-' and '.', with a letter or digit at the end",
                    code="aggregator.bad_name",
                )
            if row.low is not None and row.high is not None and row.low > row.high:
                raise EchokitError(
                    f"the aggregator {owner!r} gave {row.metric!r} an interval from {row.low:g} to {row.high:g}",
                    hint="low is the lower end",
                    code="aggregator.bad_interval",
                )
            yield replace(row, level=self.settings.level) if row.low is not None and row.level is None else row


def checked_rows(aggregator: str, rows: object) -> Sequence[Metric]:
    """Return what an aggregator gave.

    Raises:
        EchokitError: It is no sequence of metrics.
    """
    if not isinstance(rows, (list, tuple)) or not all(isinstance(row, Metric) for row in rows):
        raise EchokitError(
            f"the aggregator {aggregator!r} gave {shortened(repr(rows))}",
            hint="return a list of echokit.Metric, empty if there is nothing to combine",
            code="aggregator.no_metrics",
        )
    return rows


def _train_sizes(patients: Predictions) -> dict[tuple[int, int], int]:
    """Count the patients of each training set."""
    return {(part.repeat, part.fold): len(part.rows) for part in _parts(patients, ["train"])}


def _unique_name(
    metric: Metric, number: int, names: dict[tuple[str, str | None], int], rule: float | Rule | None
) -> str:
    """Add the threshold or number of the evaluator if an earlier one has the name.

    Metrics of different subgroups may share a name.
    """
    name, subgroup = metric.metric, metric.subgroup
    if names.setdefault((name, subgroup), number) == number:
        return name
    at = re.sub(r"[^\w.]+", "_", rule.text).strip("_") if isinstance(rule, Rule) else rule
    other = f"{name}_at_{at}" if rule is not None else f"{name}_{number + 1}"
    return other if names.setdefault((other, subgroup), number) == number else f"{other}_{number + 1}"


def _add_curves(curves: Curves, evaluation: Evaluation, part: _Part, evaluator: str) -> None:
    """Add the curves of a fold; a name clash gets the evaluator's name."""
    key = {
        "repeat": part.repeat,
        "fold": part.fold,
        "n": len(part.rows),
        "events": int(part.rows.y_true.sum()),
    }
    for curve, data in evaluation.curves.items():
        curve, entry = owned_name(curve, evaluator), {**key, **curve_content(evaluator, curve, data)}
        entries = curves.setdefault(curve, {}).setdefault(part.split, [])
        same = [other for other in entries if (other["repeat"], other["fold"]) == (part.repeat, part.fold)]
        if not same:
            entries.append(entry)
        elif same[0] != entry:
            curves.setdefault(f"{curve}_of_{evaluator.rpartition(':')[2]}", {}).setdefault(part.split, []).append(entry)


def _check_keys(table: pd.DataFrame, splits: Sequence[str]) -> None:
    """Refuse rows that grouping by these columns would silently drop."""
    for column in ("split", "repeat", "fold", "patient_id"):
        empty = table.loc[table[column].isna(), "case_id"]
        if len(empty):
            raise DataError(f"the predictions have no {column} for {list_cases(empty)}", code="predictions.empty_cell")
    known_splits = dict.fromkeys((*splits, *SPLITS))
    for split in table["split"].unique():
        if split not in known_splits:
            raise DataError(
                f"unknown split {split!r} in the predictions",
                hint=did_you_mean(str(split), known_splits) or f"the splits are {', '.join(known_splits)}",
                code="predictions.unknown_split",
            )


def check_finite(giver: str, metric: Metric) -> None:
    numbers = {"value": metric.value, "baseline": metric.baseline, "low": metric.low, "high": metric.high}
    for label, number in numbers.items():
        if number is not None and not math.isfinite(number):
            raise EchokitError(
                f"{giver} gave {label} {number} for {metric.metric!r} on {metric.split}",
                hint="an undefined value is None, never NaN",
                code="evaluator.not_finite",
            )
