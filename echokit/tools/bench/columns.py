"""The columns of a suite: from the runs of a row, one per seed, to a value with its interval."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from echokit.data.cohort.cohort import SPLITS
from echokit.errors import EchokitError, did_you_mean
from echokit.evaluation.evaluation import Metric


@dataclass(frozen=True)
class Value:
    """One value of a table.

    Attributes:
        number: Mean over the seeds, or None if it is undefined.
        low, high: Interval of that mean over patients, or None.
        seed_sd: Sample SD over the seeds; None with fewer than two.
        fold_sd: Sample SD over folds, as the reference study reports it.
        n, events, baseline: Patients, positives and baseline of a metric.
        text: Shown instead of an undefined number.
    """

    number: float | None = None
    low: float | None = None
    high: float | None = None
    seed_sd: float | None = None
    fold_sd: float | None = None
    n: int | None = None
    events: int | None = None
    baseline: float | None = None
    text: str | None = None


@dataclass(frozen=True)
class RowResults:
    """The results of the finished cells of one row.

    Attributes:
        metrics: Metrics of each seed.
        facts: Facts of each seed.
        intervals: Interval over patients of the mean over seeds, by (split, metric).
        published: Published values of the row by column, each with its SD over folds or None.
        comparable: Whether the runs used the dataset of the published table.
    """

    metrics: Sequence[Sequence[Metric]]
    facts: Sequence[Mapping[str, Any]]
    intervals: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    published: Mapping[str, tuple[float, float | None]] = field(default_factory=dict)
    comparable: bool = False


@dataclass(frozen=True)
class Column:
    """A column: its head, how to compute its value, and how to format a number."""

    spec: str
    head: str
    value_of: Callable[[RowResults], Value]
    write: Callable[[float], str] = "{:.3f}".format


FACTS: dict[str, tuple[str, Callable[[float], str]]] = {
    "parameters": ("parameters", lambda v: f"{v / 1e6:,.2f} M"),
    "multiply_adds": ("multiply-adds", lambda v: f"{v / 1e9:,.2f} G"),
    "epochs": ("epochs", "{:.0f}".format),
    "seconds": ("seconds", "{:,.0f}".format),
    "latency": ("CPU latency a video", lambda v: f"{v * 1000:,.0f} ms"),
    "kept": ("picture kept", "{:.0%}".format),
    "heart_kept": ("heart kept", "{:.1%}".format),
    "peak_memory": ("peak memory", lambda v: f"{v / 2**30:,.2f} GiB"),
}
TITLES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "auroc_within_fold": "AUROC within folds",
    "auroc_pooled": "AUROC pooled over folds",
    "accuracy_pooled": "accuracy pooled over folds",
    "study_auprc_trapezoid": "AUPRC (trapezoid)",
}


def column_named(spec: str) -> Column:
    """Parse the name of a column.

    ``test.auroc``; ``folds.test.auroc``: mean and SD over folds; ``gap.auroc``: mean over folds on the training sets
    minus that on the test sets; ``latency`` and other facts; ``published.COLUMN`` and ``difference.COLUMN``.

    Raises:
        EchokitError: There is no such column.
    """
    if spec in FACTS:
        head, write = FACTS[spec]
        return Column(spec, head, lambda cells: _fact(cells, spec), write)
    first, _, rest = spec.partition(".")
    if first in SPLITS and rest:
        return Column(spec, _title(spec), lambda cells: _metric(cells, first, rest))
    if first == "folds" and rest.partition(".")[0] in SPLITS:
        return Column(spec, _title(spec), lambda cells: _over_folds(cells, *rest.split(".", 1)))
    if first == "gap" and rest:
        return Column(spec, f"{TITLES.get(rest, rest)}, training minus test", lambda cells: _gap(cells, rest))
    if first == "published" and rest:
        write = "{:.3f}".format if rest.startswith("folds.") else "{:.2f}".format
        return Column(spec, f"published: {_title(rest)}", lambda cells: _published(cells, rest), write)
    if first == "difference" and rest:
        return Column(
            spec, f"ours - published: {_title(rest)}", lambda cells: _difference(cells, rest), "{:+.3f}".format
        )
    raise EchokitError(
        f"there is no column {spec!r}",
        hint=did_you_mean(spec, FACTS)
        or "write SPLIT.METRIC (test.auroc), folds.SPLIT.METRIC, gap.METRIC, published.COLUMN, difference.COLUMN, or "
        + ", ".join(FACTS),
        code="column.unknown",
    )


def _title(spec: str) -> str:
    if spec.startswith("folds."):
        return f"{_title(spec.removeprefix('folds.'))}, mean ± SD over folds"
    split, _, metric = spec.partition(".")
    return f"{split} {TITLES.get(metric, metric.replace('_', ' '))}"


def _fact(cells: RowResults, name: str) -> Value:
    numbers = [float(facts[name]) for facts in cells.facts if facts.get(name) is not None]
    return _mean(numbers) if numbers else Value(text="not measured")


def _metric(cells: RowResults, split: str, name: str) -> Value:
    per_seed = [metric for metrics in cells.metrics if (metric := _overall(metrics, split, name)) is not None]
    if not per_seed:
        return Value(text="none")
    numbers = [metric.value for metric in per_seed if metric.value is not None]
    if not numbers:
        return Value(text="undefined", n=per_seed[0].n, events=per_seed[0].events)
    value = _mean(numbers)
    low, high = cells.intervals.get((split, name), (None, None))
    if low is None and len(per_seed) == 1:
        low, high = per_seed[0].low, per_seed[0].high
    first = per_seed[0]
    return replace(value, low=low, high=high, n=first.n, events=first.events, baseline=first.baseline)


def _overall(metrics: Sequence[Metric], split: str, name: str) -> Metric | None:
    """Return the metric of a split over all folds, or None."""
    matches = [m for m in metrics if m.metric == name and m.split == split and m.subgroup is None]
    over_folds = [m for m in matches if m.fold is None]
    return over_folds[0] if over_folds else matches[0] if len(matches) == 1 else None


def _over_folds(cells: RowResults, split: str, name: str) -> Value:
    """Average mean and sample SD over folds over the seeds, as the study does."""
    means, sds = (_metric(cells, split, f"{name}_fold_{what}") for what in ("mean", "sd"))
    if means.number is None:
        return means
    return Value(means.number, seed_sd=means.seed_sd, fold_sd=sds.number, n=means.n, events=means.events)


def _gap(cells: RowResults, name: str) -> Value:
    train, test = (_over_folds(cells, split, name).number for split in ("train", "test"))
    return Value(text="undefined") if train is None or test is None else Value(train - test)


def _published(cells: RowResults, spec: str) -> Value:
    number, sd = cells.published.get(spec, (None, None))
    return Value(number, fold_sd=sd)


def _difference(cells: RowResults, spec: str) -> Value:
    if not cells.comparable:
        return Value(text="other data")
    split, _, name = spec.partition(".")
    ours, theirs = _metric(cells, split, name).number, cells.published.get(spec, (None, None))[0]
    return Value(text="none") if ours is None or theirs is None else Value(ours - theirs)


def _mean(numbers: Sequence[float]) -> Value:
    sd = statistics.stdev(numbers) if len(numbers) > 1 else None
    return Value(statistics.fmean(numbers), seed_sd=sd)
