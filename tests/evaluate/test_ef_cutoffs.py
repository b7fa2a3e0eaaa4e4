"""Other cut-offs of one run: counted by hand, never to be taken for the run's own metrics, shown in the summary."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from echokit.errors import EchokitError
from echokit.evaluate.assessment import assess
from echokit.evaluate.auroc import Auroc
from echokit.evaluate.ef_cutoffs import EfCutoffs
from echokit.evaluate.evaluation import Evaluation, Metric
from echokit.evaluate.files import write_metrics
from echokit.evaluate.predictions import Predictions
from echokit.report.summary import write_summary


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


def found(evaluation: Evaluation, metric: str, words: str) -> Metric:
    (one,) = [m for m in evaluation.metrics if m.metric == metric and words in str(m.subgroup)]
    return one


@pytest.mark.parametrize("cutoff", [35, 40, 45, 50])
@pytest.mark.parametrize("inclusive", [False, True])
def test_every_cut_off_is_counted_by_hand(cutoff: int, inclusive: bool) -> None:
    given = predictions()
    ef, estimate = given.table["target"].to_numpy(), given.table["prediction"].to_numpy()
    y = ef <= cutoff if inclusive else ef < cutoff
    assert (ef == cutoff).any() or cutoff == 35  # whole numbers, so the inclusive side matters
    evaluation = EfCutoffs(inclusive=inclusive)(given)
    words = f"all patients, positive is EF {'<=' if inclusive else '<'} {cutoff}"
    area = found(evaluation, "cutoff_auroc", words)
    assert area.value == pytest.approx(roc_auc_score(y, -estimate))
    assert (area.n, area.events) == (200, int(y.sum()))
    precision = found(evaluation, "cutoff_auprc", words)
    assert precision.value == pytest.approx(average_precision_score(y, -estimate))
    accuracy = found(evaluation, "cutoff_accuracy", words)
    assert accuracy.value == pytest.approx(np.mean((estimate <= cutoff) == y))
    assert accuracy.threshold == 0
    for metric in (area, precision, accuracy):
        assert metric.definition.startswith(words)
        assert "whatever class the run was trained for" in metric.definition
        assert f"{cutoff} minus the estimated EF" in metric.definition


def test_the_band_is_left_out_on_both_sides() -> None:
    given = predictions()
    ef, estimate = given.table["target"].to_numpy(), given.table["prediction"].to_numpy()
    kept = (ef < 45) | (ef > 55)
    assert np.isin([45.0, 55.0], ef).all()
    metric = found(EfCutoffs()(given), "cutoff_auroc", "EF 45 to 55 left out, positive is EF < 45")
    assert (metric.n, metric.events) == (kept.sum(), (ef < 45).sum())
    assert metric.value == pytest.approx(roc_auc_score(ef[kept] < 45, -estimate[kept]))
    assert not any("left out" in str(m.subgroup) for m in EfCutoffs(without=None)(given).metrics)


def test_a_classifier_is_ranked_by_its_score_and_not_cut() -> None:
    given = predictions(estimates=False)
    evaluation = EfCutoffs()(given)
    metric = found(evaluation, "cutoff_auroc", "EF < 40")
    assert metric.value == pytest.approx(roc_auc_score(given.table["target"] < 40, given.y_score))
    assert "learned for 'reduced'" in metric.definition
    assert {m.metric for m in evaluation.metrics} == {"cutoff_auroc", "cutoff_auprc"}


def test_what_can_not_be_said_is_undefined_and_the_run_goes_on() -> None:
    given = predictions()
    without = Predictions(given.table.drop(columns=["target", "prediction"]))
    one_class = Predictions(given.table.assign(target=70.0, y_true=0))
    for wrong in (without, one_class):
        evaluation = assess(wrong, [("ef_cutoffs", EfCutoffs())], seed=0, resamples=20)
        areas = [m for m in evaluation.metrics if m.metric == "cutoff_auroc"]
        assert len(areas) == 5
        assert all(m.value is None and m.low is None and "undefined" in str(m.interval) for m in areas)
    partly = Predictions(given.table.assign(target=np.where(np.arange(200) < 3, np.nan, given.table["target"])))
    metric = found(EfCutoffs()(partly), "cutoff_auroc", "EF < 50")
    assert metric.n == 197
    assert "3 patients without an EF are left out" in metric.definition


def test_every_number_has_an_interval_and_folds_have_none() -> None:
    evaluation = assess(predictions(), [("auroc", Auroc()), ("ef_cutoffs", EfCutoffs())], seed=0, resamples=200)
    assert len(evaluation.metrics) == 1 + 5 * 3
    for metric in evaluation.metrics:
        if metric.metric == "cutoff_auprc" and metric.events < 20:
            assert "none below 20 events" in str(metric.interval)
            continue
        assert metric.low is not None
        assert metric.value is not None
        assert metric.high is not None
        assert metric.low <= metric.value <= metric.high
    again = assess(predictions(), [("ef_cutoffs", EfCutoffs())], seed=0, resamples=200)
    assert again.metrics == evaluation.metrics[1:]
    of_folds = assess(predictions(folds=2), [("ef_cutoffs", EfCutoffs())], seed=0, resamples=200)
    assert {m.low for m in of_folds.metrics} == {None}


def test_no_row_is_taken_for_the_runs_own_and_the_summary_shows_them_apart(tmp_path: Path) -> None:
    given = predictions()
    evaluation = assess(given, [("auroc", Auroc()), ("ef_cutoffs", EfCutoffs())], seed=0, resamples=200)
    write_metrics(evaluation, tmp_path / "metrics.json")
    rows = json.loads((tmp_path / "metrics.json").read_text())
    assert len([row for row in rows if row["metric"] == "auroc"]) == 1
    assert all(row["subgroup"] for row in rows if row["metric"] != "auroc")
    assert len({(row["metric"], row["subgroup"]) for row in rows}) == len(rows)
    write_summary(
        tmp_path / "summary.md", name="x", evaluation=evaluation, predictions=given, division="d", kept=[], facts={}
    )
    text = (tmp_path / "summary.md").read_text()
    section = text.split("## The same test patients at other cut-offs")[1].split("\n## ")[0]
    for words in ("EF < 35", "EF < 40", "EF < 45", "EF < 50", "EF 45 to 55 left out"):
        assert words in section
    value = found(evaluation, "cutoff_auroc", "EF < 40").value
    assert f"{value:.3f} (95 % CI" in section
    assert "EF < 40" not in text.split("## The same")[0]


def test_a_band_upside_down_is_refused() -> None:
    with pytest.raises(EchokitError, match="no band"):
        EfCutoffs(without=(55.0, 45.0))
