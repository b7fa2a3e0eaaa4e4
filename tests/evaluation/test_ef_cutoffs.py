"""Metrics of one run at other cut-offs: their values, names and place in the summary."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.evaluation import Evaluation, Metric
from echokit.evaluation.files.metric_files import write_metrics
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.metrics.ef_cutoffs import EfCutoffs
from echokit.evaluation.predictions import Predictions
from echokit.results.summary.summary import RunSummary, write_summary
from tests.expect import refused


def predictions(n: int = 200, *, estimates: bool = True, seed: int = 0, folds: int = 1) -> Predictions:
    rng = np.random.default_rng(seed)
    ef = np.round(np.clip(rng.normal(55, 14, n), 8, 90))
    estimate = ef + rng.normal(0, 6, n)
    names = [f"p{i}" for i in range(n)]
    table = pd.DataFrame(
        {"case_id": names, "patient_id": names, "split": "test", "repeat": 0, "fold": np.arange(n) % folds}
        | {"y_true": (ef < 50).astype(int), "y_score": 1 / (1 + np.exp((estimate - 50) / 5)), "target": ef}
    )
    return Predictions(table.assign(prediction=estimate) if estimates else table, "reduced")


def metric_at(evaluation: Evaluation, metric: str, cutoff: str) -> Metric:
    (match,) = [m for m in evaluation.metrics if m.metric == metric and cutoff in str(m.subgroup)]
    return match


@pytest.mark.parametrize("cutoff", [35, 40, 45, 50])
@pytest.mark.parametrize("inclusive", [False, True])
def test_every_cut_off_agrees_with_scikit_learn(cutoff: int, inclusive: bool) -> None:
    given = predictions()
    ef, estimate = given.table["target"].to_numpy(), given.table["prediction"].to_numpy()
    y = ef <= cutoff if inclusive else ef < cutoff
    assert (ef == cutoff).any() or cutoff == 35  # whole numbers, so the inclusive side matters
    evaluation = EfCutoffs(inclusive=inclusive)(given)
    subgroup = f"all patients, positive is EF {'<=' if inclusive else '<'} {cutoff}"
    area = metric_at(evaluation, "cutoff_auroc", subgroup)
    assert area.value == pytest.approx(roc_auc_score(y, -estimate))
    assert (area.n, area.events) == (200, int(y.sum()))
    precision = metric_at(evaluation, "cutoff_auprc", subgroup)
    assert precision.value == pytest.approx(average_precision_score(y, -estimate))
    accuracy = metric_at(evaluation, "cutoff_accuracy", subgroup)
    assert accuracy.value == pytest.approx(np.mean((estimate <= cutoff) == y))
    assert accuracy.threshold == 0
    for metric in (area, precision, accuracy):
        assert metric.definition.startswith(subgroup)


def test_the_band_is_left_out_on_both_sides() -> None:
    given = predictions()
    ef, estimate = given.table["target"].to_numpy(), given.table["prediction"].to_numpy()
    outside = (ef < 45) | (ef > 55)
    assert np.isin([45.0, 55.0], ef).all()
    metric = metric_at(EfCutoffs()(given), "cutoff_auroc", "EF 45 to 55 left out, positive is EF < 45")
    assert (metric.n, metric.events) == (outside.sum(), (ef < 45).sum())
    assert metric.value == pytest.approx(roc_auc_score(ef[outside] < 45, -estimate[outside]))
    assert not any("left out" in str(m.subgroup) for m in EfCutoffs(without=None)(given).metrics)


def test_a_classifier_is_ranked_by_its_score_and_not_cut() -> None:
    given = predictions(estimates=False)
    evaluation = EfCutoffs()(given)
    metric = metric_at(evaluation, "cutoff_auroc", "EF < 40")
    assert metric.value == pytest.approx(roc_auc_score(given.table["target"] < 40, given.y_score))
    assert "'reduced'" in metric.definition
    assert {m.metric for m in evaluation.metrics} == {"cutoff_auroc", "cutoff_auprc"}


def test_metrics_without_an_ef_or_a_class_are_undefined() -> None:
    given = predictions()
    without = Predictions(given.table.drop(columns=["target", "prediction"]))
    one_class = Predictions(given.table.assign(target=70.0, y_true=0))
    for wrong in (without, one_class):
        evaluation = evaluate_folds(wrong, [("ef_cutoffs", EfCutoffs())], seed=0, resamples=20)
        areas = [m for m in evaluation.metrics if m.metric == "cutoff_auroc"]
        assert len(areas) == 5
        assert all(m.value is None and m.low is None and "undefined" in str(m.interval) for m in areas)
    partly = Predictions(given.table.assign(target=np.where(np.arange(200) < 3, np.nan, given.table["target"])))
    metric = metric_at(EfCutoffs()(partly), "cutoff_auroc", "EF < 50")
    assert metric.n == 197
    assert "3 patients" in metric.definition


def test_every_number_has_an_interval_and_folds_have_none() -> None:
    evaluation = evaluate_folds(predictions(), [("auroc", Auroc()), ("ef_cutoffs", EfCutoffs())], seed=0, resamples=200)
    assert len(evaluation.metrics) == 1 + 5 * 3
    for metric in evaluation.metrics:
        if metric.metric == "cutoff_auprc" and metric.events < 20:
            assert metric.low is None
            continue
        assert metric.low is not None
        assert metric.value is not None
        assert metric.high is not None
        assert metric.low <= metric.value <= metric.high
    again = evaluate_folds(predictions(), [("ef_cutoffs", EfCutoffs())], seed=0, resamples=200)
    assert again.metrics == evaluation.metrics[1:]
    of_folds = evaluate_folds(predictions(folds=2), [("ef_cutoffs", EfCutoffs())], seed=0, resamples=200)
    assert {m.low for m in of_folds.metrics} == {None}


def test_the_summary_separates_cut_offs_from_the_runs_own(tmp_path: Path) -> None:
    given = predictions()
    evaluation = evaluate_folds(given, [("auroc", Auroc()), ("ef_cutoffs", EfCutoffs())], seed=0, resamples=200)
    write_metrics(evaluation, tmp_path / "metrics.json")
    rows = json.loads((tmp_path / "metrics.json").read_text())
    assert len([row for row in rows if row["metric"] == "auroc"]) == 1
    assert all(row["subgroup"] for row in rows if row["metric"] != "auroc")
    assert len({(row["metric"], row["subgroup"]) for row in rows}) == len(rows)
    summary = RunSummary(name="x", evaluation=evaluation, predictions=given, division="d", selected_epochs=[], facts={})
    write_summary(tmp_path / "summary.md", summary)
    text = (tmp_path / "summary.md").read_text()
    section = text.split("## The same test patients at other cut-offs")[1].split("\n## ")[0]
    for cutoff in ("EF < 35", "EF < 40", "EF < 45", "EF < 50", "EF 45 to 55"):
        assert cutoff in section
    value = metric_at(evaluation, "cutoff_auroc", "EF < 40").value
    assert f"{value:.3f} (95 % CI" in section
    assert "EF < 40" not in text.split("## The same")[0]


def test_a_band_upside_down_is_refused() -> None:
    with refused("cutoffs.bad_band", where="evaluate"):
        EfCutoffs(without=(55.0, 45.0))
