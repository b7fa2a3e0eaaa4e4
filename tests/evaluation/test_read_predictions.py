"""Reading predictions.csv."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from echokit.evaluation.files.metric_files import read_predictions
from echokit.evaluation.predictions import Predictions
from tests.expect import refused


def table():
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(24)]
    frame = pd.DataFrame({"case_id": names, "patient_id": names, "split": ["val", "test"] * 12})
    y = (np.arange(24) % 4 == 1).astype(int)
    return frame.assign(repeat=0, fold=0, y_true=y, y_score=rng.random(24))


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
    ("change", "code", "names"),
    [
        (lambda t: t.drop(columns=["y_score", "fold"]), "predictions.missing_column", "fold, y_score"),
        (lambda t: t.rename(columns={"patient_id": "patient"}), "predictions.missing_column", "patient_id"),
        (
            lambda t: t.assign(y_score=[*t["y_score"][:-2], np.nan, np.inf]),
            "predictions.bad_number",
            "2 cases: c22, c23",
        ),
        (lambda t: t.assign(y_score="high"), "predictions.bad_number", "24 cases: c0, c1, c2, c3, c4, ..."),
        (lambda t: t.assign(y_true=2), "predictions.bad_class", "24 cases"),
        (lambda t: t.assign(fold=0.5), "predictions.bad_number", "fold"),
        (lambda t: t.assign(split=" "), "predictions.empty_cell", "split"),
        (lambda t: pd.concat([t, t[:1]]), "predictions.duplicate_case", "1 case: c0"),
        (lambda t: t[:0], "predictions.empty", ""),
    ],
)
def test_bad_predictions_are_refused_with_the_cases(tmp_path, change, code, names):
    path = tmp_path / "p.csv"
    change(table()).to_csv(path, index=False)
    with refused(code) as caught:
        read_predictions(path)
    assert names in caught.value.message
    assert str(path) in caught.value.where


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01\x02", b'a,b\n"1,2\n3', None])
def test_files_other_than_csv_are_refused(tmp_path, content):
    path = tmp_path / "p.csv"
    if content is not None:
        path.write_bytes(content)
    with refused("file.missing" if content is None else "table.not_csv"):
        read_predictions(path)


def test_threshold_and_kind_of_score_come_from_the_table(tmp_path):
    path = tmp_path / "predictions.csv"
    Predictions(table()).write(path)
    assert (read_predictions(path).threshold, read_predictions(path).probability) == (0.5, True)
    Predictions(table().assign(score_is="no probability", threshold=-2.5)).write(path)
    read = read_predictions(path)
    assert (read.threshold, read.probability) == (-2.5, False)
    given = read_predictions(path, threshold=1.0, probability=True)
    assert (given.threshold, given.probability) == (1.0, True)
    Predictions(table().assign(score_is="no probability", threshold=np.arange(24))).write(path)
    with refused("predictions.many_thresholds", where="predictions.csv"):
        read_predictions(path)
