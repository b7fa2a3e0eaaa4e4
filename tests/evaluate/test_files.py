"""predictions.csv in, metrics.json and curves.json out."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from echokit.errors import DataError
from echokit.evaluate.accuracy import Accuracy
from echokit.evaluate.assessment import assess
from echokit.evaluate.auprc import Auprc
from echokit.evaluate.auroc import Auroc
from echokit.evaluate.evaluation import Evaluation, Metric
from echokit.evaluate.files import read_predictions, write_curves, write_metrics
from echokit.evaluate.predictions import Predictions

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
PROMISED += ["level", "interval", "n", "events", "baseline", "unit"]


def table():
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(24)]
    frame = pd.DataFrame({"case_id": names, "patient_id": names, "split": ["val", "test"] * 12})
    y = (np.arange(24) % 4 == 1).astype(int)  # every event is in the test split
    return frame.assign(repeat=0, fold=0, y_true=y, y_score=rng.random(24))


@pytest.fixture(scope="module")
def evaluation():
    evaluators = [("accuracy", Accuracy()), ("auroc", Auroc()), ("auprc", Auprc())]
    return assess(Predictions(table(), "reduced"), evaluators, seed=0, resamples=100)


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


def test_nan_never_reaches_the_file_and_numpy_numbers_do(tmp_path):
    def one(value):
        metric = Metric(metric="m", definition="", value=value, n=np.int64(3), events=0, baseline=None)
        return Evaluation((metric,))

    write_metrics(one(np.float64(0.1)), tmp_path / "m.json")
    assert strict(tmp_path / "m.json")[0]["n"] == 3
    with pytest.raises(ValueError, match="JSON"):
        write_metrics(one(float("nan")), tmp_path / "m.json")


def test_predictions_survive_a_round_trip(tmp_path):
    original = table()
    original.loc[0, "patient_id"] = "NA"
    original.loc[1, "patient_id"] = "007"
    original["target"], original["prediction"] = 55.1, np.nan
    Predictions(original).write(tmp_path / "p.csv")
    back = read_predictions(tmp_path / "p.csv", positive="reduced", threshold=0.3)
    assert (back.positive, back.threshold) == ("reduced", 0.3)
    assert back.table["patient_id"].tolist()[:2] == ["NA", "007"]
    assert back.y_score.tolist() == original["y_score"].tolist()
    assert back.table["target"].tolist() == original["target"].tolist()
    assert back.table["prediction"].isna().all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns=["y_score", "fold"]), "the columns fold, y_score are missing"),
        (lambda t: t.rename(columns={"patient_id": "patient"}), "the columns patient_id are missing"),
        (lambda t: t.assign(y_score=[*t["y_score"][:-2], np.nan, np.inf]), "number for 2 cases: c22, c23"),
        (lambda t: t.assign(y_score="high"), "not a finite number for 24 cases: c0, c1, c2, c3, c4, ..."),
        (lambda t: t.assign(y_true=2), "y_true is neither 0 nor 1 for 24 cases"),
        (lambda t: t.assign(fold=0.5), "fold is not a whole number"),
        (lambda t: t.assign(split=" "), "24 rows have no split"),
        (lambda t: pd.concat([t, t[:1]]), "given twice in one split and fold: 1 case: c0"),
        (lambda t: t[:0], "no predictions"),
    ],
)
def test_bad_predictions_are_refused_with_the_cases(tmp_path, change, said):
    path = tmp_path / "p.csv"
    change(table()).to_csv(path, index=False)
    with pytest.raises(DataError) as caught:
        read_predictions(path)
    assert said in caught.value.message
    assert str(path) in caught.value.where


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01", b'a,b\n"1,2\n3', None])
def test_files_that_are_no_csv_are_refused(tmp_path, content):
    path = tmp_path / "p.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError):
        read_predictions(path)


def test_a_table_says_itself_that_its_score_is_no_probability(tmp_path):
    path = tmp_path / "predictions.csv"
    Predictions(table()).write(path)
    assert (read_predictions(path).threshold, read_predictions(path).probability) == (0.5, True)
    Predictions(table().assign(score_is="no probability", threshold=-2.5)).write(path)
    found = read_predictions(path)
    assert (found.threshold, found.probability) == (-2.5, False)
    given = read_predictions(path, threshold=1.0, probability=True)
    assert (given.threshold, given.probability) == (1.0, True)
    Predictions(table().assign(score_is="no probability", threshold=np.arange(24))).write(path)
    with pytest.raises(DataError, match="several thresholds"):
        read_predictions(path)
