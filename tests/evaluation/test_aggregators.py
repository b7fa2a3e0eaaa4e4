"""How metrics of folds are combined: the built-in aggregators, and what one of a plugin may and may not do."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from echokit import FoldMetrics, Interval
from echokit.cli import exit_code
from echokit.evaluation.aggregators import DEFAULT, MeanSd, Pooled, Within
from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.evaluation import Evaluation, Metric
from echokit.evaluation.metrics.accuracy import Accuracy
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.metrics.confusion import Confusion
from echokit.evaluation.metrics.log_loss import LogLoss
from echokit.evaluation.predictions import Predictions
from echokit.results.headline import headline
from echokit.results.summary.cautions import cautions
from echokit.results.summary.enough_patients import enough_patients
from echokit.results.summary.fold_table import fold_rows
from echokit.results.summary.summary import answer
from echokit.results.verdict import is_beaten
from echokit.tools.new_plugin.package import package_files
from tests.evaluation.tables import predictions_table
from tests.expect import refused

METRICS = [("accuracy", Accuracy()), ("auroc", Auroc()), ("log_loss", LogLoss())]


def cross_validation(k: int = 4, repeats: int = 1, n: int = 40) -> Predictions:
    """Scores of k folds on all three sets."""
    generator = np.random.default_rng(3)
    y = (np.arange(n) % 3 == 0).astype(int)
    parts = []
    for number in range(k * repeats):
        triple = np.arange(n) // 3  # of which one patient died
        test = (triple + number // k * (triple // k)) % k == number % k
        score = np.clip(0.4 + 0.2 * y + generator.normal(0, 0.2, n), 0.01, 0.99)
        for split, rows in (("train", ~test & (np.arange(n) % 4 > 0)), ("test", test)):
            whole = predictions_table(y, score, split=split, repeat=number // k, fold=number)
            parts.append(whole[rows])
    return Predictions(pd.concat(parts, ignore_index=True), "died")


def joined(predictions: Predictions, aggregators: Sequence[tuple[str, Any]], split: str = "test") -> dict[str, Metric]:
    evaluation = evaluate_folds(predictions, METRICS, seed=0, resamples=50, aggregators=aggregators)
    return {m.metric: m for m in evaluation.metrics if m.fold is None and m.split == split}


@pytest.fixture(scope="module")
def corrected_t() -> type:
    """The class of the scaffold, as a plugin author gets it."""
    module = ModuleType("scaffold")
    source = package_files("aggregator", "corrected_t")["echokit_corrected_t/corrected_t.py"]
    exec(compile(source, "corrected_t.py", "exec"), vars(module))
    found: type = module.__dict__["CorrectedT"]
    return found


def test_the_default_is_all_three_in_this_order() -> None:
    predictions = cross_validation()
    assert joined(predictions, DEFAULT) == joined(predictions, [])
    assert list(joined(predictions, [])) == [
        "accuracy_pooled",
        "accuracy_fold_mean",
        "accuracy_fold_sd",
        "auroc_within_fold",
        "auroc_pooled",
        "auroc_fold_mean",
        "auroc_fold_sd",
        "log_loss_fold_mean",
        "log_loss_fold_sd",
    ]


def test_exactly_the_named_ones_are_used() -> None:
    predictions = cross_validation()
    every = joined(predictions, [])
    for aggregators, names in (
        ([("kfold_within", Within())], {"auroc_within_fold"}),
        ([("kfold_pooled", Pooled())], {"auroc_pooled", "accuracy_pooled"}),
        ([("kfold_mean_sd", MeanSd())], {name for name in every if "_fold_mean" in name or "_fold_sd" in name}),
    ):
        rows = joined(predictions, aggregators)
        assert set(rows) == names
        assert all(rows[name] == every[name] for name in names)
    assert joined(predictions, [("kfold_within", Within())], split="train") == {}


def test_mean_and_sd_are_those_of_numpy() -> None:
    predictions = cross_validation()
    evaluation = evaluate_folds(predictions, METRICS, seed=0, resamples=50, aggregators=[("kfold_mean_sd", MeanSd())])
    for split in ("train", "test"):
        values = [m.value for m in evaluation.metrics if (m.metric, m.split) == ("auroc", split)]
        rows = {m.metric: m for m in evaluation.metrics if m.fold is None and m.split == split}
        assert rows["auroc_fold_mean"].value == pytest.approx(np.mean(values))
        assert rows["auroc_fold_sd"].value == pytest.approx(np.std(values, ddof=1))
        assert rows["auroc_fold_mean"].low is None


@pytest.mark.parametrize("repeats", [1, 3])
def test_the_scaffold_gives_the_interval_of_nadeau_and_bengio(corrected_t: type, repeats: int) -> None:
    predictions = cross_validation(repeats=repeats)
    metrics = evaluate_folds(
        predictions, METRICS, seed=0, resamples=50, level=0.9, aggregators=[("lab:corrected_t", corrected_t())]
    ).metrics
    for name in ("accuracy", "auroc", "log_loss"):  # every metric goes through it
        values = np.array([m.value for m in metrics if (m.metric, m.split) == (name, "test")])
        table = predictions.table
        sizes = table.groupby(["split", "fold"])["patient_id"].nunique()
        ratio = (sizes["test"] / sizes["train"]).mean()
        error = math.sqrt(values.var(ddof=1) * (1 / len(values) + ratio))
        low, high = stats.t.interval(0.9, len(values) - 1, loc=values.mean(), scale=error)
        (row,) = [m for m in metrics if m.metric == f"lab:{name}_corrected_t"]
        assert (row.value, row.low, row.high) == pytest.approx((values.mean(), low, high))
        assert (row.level, row.split, row.repeat, row.fold) == (0.9, "test", None, None)
        assert row.n == table[(table["split"] == "test") & (table["repeat"] == 0)]["patient_id"].size
        assert "corrected resampled t" in str(row.interval)


class Probe:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.given: list[FoldMetrics] = []

    def __call__(self, folds: FoldMetrics) -> list[Metric]:
        self.given.append(folds)
        return []


def test_it_gets_every_metric_with_folds_repeats_and_training_sizes() -> None:
    probe, predictions = Probe(), cross_validation(k=3, repeats=2)
    evaluators = [*METRICS, ("confusion", Confusion())]
    evaluate_folds(predictions, evaluators, seed=7, resamples=50, level=0.9, aggregators=[("lab:probe", probe)])
    assert [folds.name for folds in probe.given if folds.split == "test"] == [
        *("accuracy", "auroc", "log_loss"),
        *(f"confusion_{cell}" for cell in ("tn", "fp", "fn", "tp")),
    ]
    for folds in probe.given:
        assert (folds.level, folds.seed) == (0.9, 7)
        assert [(m.repeat, m.fold) for m in folds.metrics] == [(0, 0), (0, 1), (0, 2), (1, 3), (1, 4), (1, 5)]
        for metric, fold, train in zip(folds.metrics, folds.folds, folds.train_sizes, strict=True):
            same = (predictions.table["fold"] == metric.fold).to_numpy()
            table = predictions.table[same]
            assert metric.n == len(fold) == (table["split"] == folds.split).sum()
            assert train == (table["split"] == "train").sum()
            again = [one.value for one in folds.evaluator(fold).metrics if one.metric == folds.name]
            assert again == [metric.value]


def giving(*rows: object) -> object:
    return lambda folds: list(rows) if folds.split == "test" else []


ROW = Metric(metric="x", definition="d", value=1.0, n=1, events=1, baseline=None)


@pytest.mark.parametrize(
    ("aggregator", "code"),
    [
        (giving(1.5), "aggregator.no_metrics"),
        (lambda folds: None, "aggregator.no_metrics"),
        (lambda folds: ROW, "aggregator.no_metrics"),
        (giving(replace(ROW, value=math.nan)), "evaluator.not_finite"),
        (giving(replace(ROW, low=-math.inf, high=1.0)), "evaluator.not_finite"),
        (giving(replace(ROW, low=0.9, high=0.1)), "aggregator.bad_interval"),
        (giving(replace(ROW, metric="x_")), "aggregator.bad_name"),
        (giving(replace(ROW, metric="x | y")), "aggregator.bad_name"),
        (giving(replace(ROW, metric="x\ny")), "aggregator.bad_name"),
    ],
)
def test_what_is_no_metric_or_no_number_is_refused(aggregator: object, code: str) -> None:
    with refused(code, names=("lab:bad",)):
        joined(cross_validation(), [("lab:bad", aggregator)])


def test_a_plugin_cannot_take_the_name_of_a_built_in_row() -> None:
    predictions = cross_validation()
    true = joined(predictions, [])

    def forged(folds: FoldMetrics) -> list[Metric]:
        return [folds.row("within_fold", "forged", 1.0, Interval(1.0, 1.0, "none"))]

    rows = joined(predictions, [("lab:forged", forged), *DEFAULT])
    assert {name: row for name, row in rows.items() if ":" not in name} == true
    assert rows["lab:auroc_within_fold"].value == 1.0
    assert headline(list(rows.values()), "test") == headline(list(true.values()), "test")


def test_two_of_one_name_are_told_apart() -> None:
    one, two = giving(ROW), giving(replace(ROW, value=2.0))
    rows = joined(cross_validation(), [("lab:a", one), ("lab:a", two)])
    assert (rows["lab:x"].value, rows["lab:x_2"].value) == (1.0, 2.0)


def test_results_of_other_aggregators_are_readable(corrected_t: type) -> None:
    """A headline, cautions and tables that say nothing false, with a plugin's rows, with mean and SD, and with none."""
    predictions = cross_validation()

    def metrics_with(*aggregators: tuple[str, Any]) -> tuple[Metric, ...]:
        evaluation = evaluate_folds(predictions, METRICS, seed=0, resamples=50, aggregators=aggregators)
        assert enough_patients(evaluation.metrics, "test").n == 40  # type: ignore[union-attr]
        assert cautions(evaluation.metrics, "test")
        return evaluation.metrics

    plugin = metrics_with(("lab:corrected_t", corrected_t()))
    assert [m.metric for m in headline(plugin, "test")] == [
        f"lab:{name}_corrected_t" for name in ("auroc", "accuracy", "log_loss")
    ]
    head, rows = fold_rows(plugin)
    assert "mean ± SD" not in head
    assert not any("undefined" in cell for row in rows for cell in row)
    loss = next(m for m in plugin if m.metric == "lab:log_loss_corrected_t")
    assert is_beaten(loss) == (loss.value > loss.baseline)  # type: ignore[operator]
    mean_sd = metrics_with(("kfold_mean_sd", MeanSd()))
    assert [m.metric for m in headline(mean_sd, "test")] == ["auroc_fold_mean", "accuracy_fold_mean"]
    assert "mean ± SD" in fold_rows(mean_sd)[0]
    none = metrics_with(("lab:probe", Probe()))
    assert headline(none, "test") == []
    assert "corrected_t 0." in answer(Evaluation(plugin), "test", "died")
    assert "AUROC, mean over folds 0." in answer(Evaluation(mean_sd), "test", "died")
    assert "AUROC of 4 folds: 0." in answer(Evaluation(none), "test", "died")


def test_a_file_of_predictions_is_combined_as_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "predictions.csv"
    cross_validation().write(path)
    assert exit_code(["evaluate", str(path), "--metric", "kfold_mean_sd", "--metric", "auroc", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    names = {row["metric"] for row in rows if row["fold"] is None and row["split"] == "test"}
    assert names == {"auroc_fold_mean", "auroc_fold_sd"}
    assert exit_code(["evaluate", str(path), "--metric", "kfold_within", "--json"]) == 0
    names = {row["metric"] for row in json.loads(capsys.readouterr().out) if row["fold"] is None}
    assert names == {"auroc_within_fold"}
