"""Checks of an aggregator: (FoldMetrics of one metric, subgroup and split) -> rows over all folds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from echokit.evaluation.evaluate_folds import SPLITS, checked_rows, evaluate_folds
from echokit.evaluation.evaluation import Metric
from echokit.evaluation.fold_metrics import FoldMetrics
from echokit.evaluation.metrics.accuracy import Accuracy
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.metrics.confusion import Confusion
from echokit.evaluation.metrics.mae import Mae
from echokit.evaluation.predictions import Predictions
from echokit.plugins.discovery import installed
from echokit.testing.case import Subject, require

N, K = 60, 3
EVALUATORS = (("accuracy", Accuracy()), ("auroc", Auroc()), ("confusion", Confusion()), ("mae", Mae()))


def _predictions(repeats: int = 1, *, one_class: Sequence[int] = ()) -> Predictions:
    """Create scores of a cross-validation, one video a patient.

    Args:
        repeats: How often the patients are divided into K folds.
        one_class: Folds whose test set has no positive patient.
    """
    import pandas as pd

    generator = np.random.default_rng(4)
    positive = np.arange(N) % 3 == 0
    tables = []
    for number in range(K * repeats):
        repeat, test = number // K, (np.arange(N) // 3 + number // K) % K == number % K
        for split, chosen in (("train", ~test & (np.arange(N) % 5 > 0)), ("val", ~test & (np.arange(N) % 5 == 0))):
            tables.append((number, repeat, split, np.flatnonzero(chosen)))
        tested = test & ~positive if number in one_class else test
        tables.append((number, repeat, "test", np.flatnonzero(tested)))
    frames = [
        pd.DataFrame(
            {
                "case_id": [f"case-{row:03d}" for row in rows],
                "patient_id": [f"patient-{row:03d}" for row in rows],
                "split": split,
                "repeat": repeat,
                "fold": number,
                "y_true": positive[rows].astype(np.int64),
                "y_score": np.clip(0.4 + 0.2 * positive[rows] + generator.normal(0, 0.25, len(rows)), 0.01, 0.99),
                "target": np.where(positive[rows], 38.0, 62.0),
                "prediction": 50.0 + generator.normal(0, 8, len(rows)),
            }
        )
        for number, repeat, split, rows in tables
    ]
    return Predictions(pd.concat(frames, ignore_index=True), "reduced")


def _fold_metrics(predictions: Predictions) -> list[FoldMetrics]:
    """What a run would give an aggregator: all metrics on all sets."""
    given: list[FoldMetrics] = []

    def keep(folds: FoldMetrics) -> Sequence[Metric]:
        given.append(folds)
        return []

    evaluate_folds(predictions, EVALUATORS, seed=0, resamples=10, splits=SPLITS, aggregators=[("kept", keep)])
    return given


def _combine(subject: Subject, folds: FoldMetrics) -> Sequence[Metric]:
    rows = checked_rows(subject.component.full_name, subject.make()(folds))
    names = [row.metric for row in rows]
    require(len(set(names)) == len(names), f"it gives several rows of one name: {', '.join(names)}")
    for row in rows:
        _check_row(row, folds)
    return rows


def _check_row(row: Metric, folds: FoldMetrics) -> None:
    require(row.metric != folds.name, f"a row over folds has the name of the metric itself, {row.metric}")
    require(folds.name in row.metric, f"the row {row.metric} does not name the metric {folds.name}")
    require(row.definition.strip(), f"{row.metric} has no definition")
    for name in ("value", "baseline", "low", "high"):
        number = getattr(row, name)
        require(number is None or math.isfinite(number), f"{name} of {row.metric} is {number}: undefined is None")
    require(0 <= row.events <= row.n, f"{row.metric} counts {row.events} positives among {row.n} patients")
    # A patient is in several training sets of a repeat, so only test sets can be counted.
    patients = len({patient for fold in folds.folds for patient in fold.table["patient_id"]})
    require(
        folds.split != "test" or row.n <= patients, f"{row.metric} counts {row.n} patients, and there are {patients}"
    )
    require((row.low is None) == (row.high is None), f"{row.metric} has one end of an interval")
    require(row.low is None or row.high is None or row.low <= row.high, f"the ends of {row.metric} are not in order")
    what = "the method of its interval" if row.low is not None else "why it has no interval"
    require(row.interval, f"{row.metric} does not say {what}")


def _all_rows(subject: Subject, predictions: Predictions) -> Iterator[Metric]:
    for folds in _fold_metrics(predictions):
        yield from _combine(subject, folds)


def check_gives_rows_with_a_definition(subject: Subject) -> None:
    """Rows have a definition, counts, finite numbers, and an interval or a reason."""
    require(list(_all_rows(subject, _predictions())), "it gives no row for any metric on any set")


def check_undefined_folds_give_no_number_of_their_own(subject: Subject) -> None:
    """Folds in which a metric is undefined give None, never NaN or zero."""
    for one_class in ((1,), tuple(range(K))):
        for folds in _fold_metrics(_predictions(one_class=one_class)):
            for row in _combine(subject, folds):
                require(
                    folds.values or row.value is None,
                    f"{row.metric} is {row.value}, and {folds.name} is undefined in every fold",
                )


def check_patients_of_repeats_count_once(subject: Subject) -> None:
    """With repeats, every row counts a patient once."""
    list(_all_rows(subject, _predictions(repeats=2)))


def check_the_order_of_folds_does_not_matter(subject: Subject) -> None:
    """The order of the folds does not change the numbers."""
    for folds in _fold_metrics(_predictions()):
        turned = replace(
            folds, metrics=folds.metrics[::-1], folds=folds.folds[::-1], train_sizes=folds.train_sizes[::-1]
        )
        for first, second in zip(_combine(subject, folds), _combine(subject, turned), strict=True):
            require(first.metric == second.metric, "the order of the rows differs")
            for name in ("value", "low", "high"):
                a, b = getattr(first, name), getattr(second, name)
                same = a == b or (a is not None and b is not None and bool(np.isclose(a, b, rtol=1e-9, atol=1e-12)))
                require(same, f"{name} of {first.metric} is {a} or {b}")


def check_does_not_change_its_input(subject: Subject) -> None:
    """The tables are not modified, and the same input gives the same numbers."""
    for folds in _fold_metrics(_predictions()):
        originals = [fold.table.copy(deep=True) for fold in folds.folds]
        first, second = _combine(subject, folds), _combine(subject, folds)
        for fold, original in zip(folds.folds, originals, strict=True):
            require(fold.table.equals(original), "it modified a table")
        require(list(first) == list(second), "two calls differ")


def check_has_a_name_of_its_own(subject: Subject) -> None:
    """No evaluator of the same plugin has its name: a recipe would mean that one."""
    component = subject.component
    others = installed().registry.components(["evaluator"])
    same = any((other.name, other.plugin) == (component.name, component.plugin) for other in others)
    require(not same, f"an evaluator is named {component.name!r} too, and evaluate: [{component.name}] means it")
