"""Writing metrics.json and curves.json."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.evaluation import Evaluation, Metric
from echokit.evaluation.files.metric_files import write_curves, write_metrics
from echokit.evaluation.metrics.accuracy import Accuracy
from echokit.evaluation.metrics.auprc import Auprc
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.predictions import Predictions

PROMISED = [
    "metric",
    "definition",
    "split",
    "repeat",
    "fold",
    "subgroup",
    "threshold",
    "value",
    "low",
    "high",
]
PROMISED += ["level", "interval", "n", "events", "baseline", "unit", "p", "p_method"]


def table():
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(24)]
    frame = pd.DataFrame({"case_id": names, "patient_id": names, "split": ["val", "test"] * 12})
    y = (np.arange(24) % 4 == 1).astype(int)  # all positives are in the test split
    return frame.assign(repeat=0, fold=0, y_true=y, y_score=rng.random(24))


@pytest.fixture(scope="module")
def evaluation():
    evaluators = [("accuracy", Accuracy()), ("auroc", Auroc()), ("auprc", Auprc())]
    return evaluate_folds(Predictions(table(), "reduced"), evaluators, seed=0, resamples=100)


def strict(path):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_metrics_have_exactly_the_promised_fields(evaluation, tmp_path):
    write_metrics(evaluation, tmp_path / "m.json")
    entries = strict(tmp_path / "m.json")
    assert isinstance(entries, list)
    assert len(entries) == 6
    assert all(list(entry) == PROMISED for entry in entries)
    for entry, metric in zip(entries, evaluation.metrics, strict=True):
        assert entry["value"] == metric.value
        assert entry["low"] == metric.low
    undefined = [entry for entry in entries if entry["value"] is None]
    assert {(entry["metric"], entry["split"]) for entry in undefined} == {("auroc", "val"), ("auprc", "val")}


def test_the_stamp_is_in_every_entry_and_only_when_given(evaluation, tmp_path):
    write_metrics(evaluation, tmp_path / "m.json", stamp="PHANTOM DATA")
    entries = strict(tmp_path / "m.json")
    assert all(list(entry) == [*PROMISED, "data"] and entry["data"] == "PHANTOM DATA" for entry in entries)
    write_curves(evaluation, tmp_path / "c.json", stamp="PHANTOM DATA")
    assert strict(tmp_path / "c.json")["stamp"] == "PHANTOM DATA"
    write_curves(evaluation, tmp_path / "c.json")
    assert strict(tmp_path / "c.json")["stamp"] is None


def test_curves_come_back_as_they_were(evaluation, tmp_path):
    write_curves(evaluation, tmp_path / "c.json")
    curves = strict(tmp_path / "c.json")
    assert curves.pop("stamp") is None
    assert curves == evaluation.curves
    assert curves["roc"]["test"][0]["threshold"][0] is None


def test_writing_twice_gives_the_same_bytes(evaluation, tmp_path):
    for name in "ab":
        write_metrics(evaluation, tmp_path / f"{name}m")
        write_curves(evaluation, tmp_path / f"{name}c")
    assert (tmp_path / "am").read_bytes() == (tmp_path / "bm").read_bytes()
    assert (tmp_path / "ac").read_bytes() == (tmp_path / "bc").read_bytes()


def test_an_empty_evaluation_is_still_json(tmp_path):
    write_metrics(Evaluation(), tmp_path / "m.json")
    write_curves(Evaluation(), tmp_path / "c.json")
    assert strict(tmp_path / "m.json") == []
    assert strict(tmp_path / "c.json") == {"stamp": None}


def test_numpy_numbers_are_written_and_nan_is_refused(tmp_path):
    def evaluation_of(value):
        metric = Metric(metric="m", definition="", value=value, n=np.int64(3), events=0, baseline=None)
        return Evaluation((metric,))

    write_metrics(evaluation_of(np.float64(0.1)), tmp_path / "m.json")
    assert strict(tmp_path / "m.json")[0]["n"] == 3
    with pytest.raises(ValueError, match="JSON"):
        write_metrics(evaluation_of(float("nan")), tmp_path / "m.json")
