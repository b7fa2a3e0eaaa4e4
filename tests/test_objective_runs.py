"""A whole run of each objective: what its score is, where that is said, and the same answer from `predict`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.errors import EchokitError
from echokit.fold import read_calibration
from echokit.objectives.calibration import Calibration, Uncalibrated
from echokit.predict import Predictor
from echokit.run_directory import Run

RECIPE = """
name: tiny
data: {{use: echonet_dynamic, root: {root}}}
target: {{from: ef, positive: reduced, below: 50}}
preprocess: [{{use: trim, frames: 20}}, {{use: resize, size: 16}}]
clip: {{frames: 6, start: random, period: 2}}
model: {{use: single_stream, backbone: {{use: resnet18, width: 4}}}}
objective: {objective}
resample: {resample}
train: {{epochs: 1, batch_size: 8, optimizer: {{lr: 1.0e-3}}, keep: last}}
"""
LARGE_VAL = "{use: holdout, val: 0.45, test: 0.3}"


@pytest.fixture(scope="module")
def hearts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty phantom hearts: enough for a validation part that can calibrate."""
    from echokit.phantom.layout import write_phantom

    root = tmp_path_factory.mktemp("many") / "hearts"
    write_phantom(root, cases=50, seed=5, ef="wide", frames=(20, 24), workers=1)
    return root


def run(hearts: Path, folder: Path, objective: str, resample: str = "official", *arguments: str) -> Run:
    path = folder / "tiny.yaml"
    path.write_text(RECIPE.format(root=hearts, objective=objective, resample=resample))
    assert exit_code(["run", str(path), "--out", str(folder / "runs"), *arguments]) == 0
    return load_run(folder / "runs" / "tiny")


def same_answer(made: Run, hearts: Path) -> list[dict]:
    """`predict` gives the rows of the run; returns what it said."""
    predictor = Predictor(made, "cpu")
    rows = made.predictions.iloc[[0, -1]]
    answers = list(predictor([(case, hearts / "Videos" / f"{case}.avi") for case in rows["case_id"]]))
    assert [a.score for a in answers] == pytest.approx(rows["y_score"].tolist(), abs=1e-4)
    if "prediction" in rows:
        assert [a.prediction for a in answers] == pytest.approx(rows["prediction"].tolist(), abs=1e-3)
    assert [a.positive for a in answers] == (rows["y_score"] >= predictor.threshold).tolist()
    assert predictor.probability == ("score_is" not in rows)
    return answers


def test_a_regression_is_calibrated_on_validation_and_predict_follows(hearts: Path, tmp_path: Path) -> None:
    made = run(hearts, tmp_path, "ef_regression", LARGE_VAL)
    calibration = read_calibration(made.fold(0))
    table = made.predictions
    if isinstance(calibration, Uncalibrated):  # a model of one epoch may know nothing at all
        assert "does not rise" in calibration.reason
        assert (table["score_is"] == "no probability").all()
    else:
        np.testing.assert_allclose(table["y_score"], calibration(50 - table["prediction"].to_numpy()), rtol=1e-9)
        assert calibration.n == (table["split"] == "val").sum()
        assert calibration.definition in (made.path / "summary.md").read_text()
        assert "score_is" not in table
    cohort = np.sort(table["target"])
    assert ((table["target"] < 50) == (table["y_true"] == 1)).all()
    assert cohort[0] != cohort[-1]
    same_answer(made, hearts)


def test_a_calibration_never_sees_the_test_part(hearts: Path, tmp_path: Path) -> None:
    from echokit.cohort.cohort import Fold
    from echokit.fold import Material, calibrate
    from echokit.objectives.ef_regression import EfRegression
    from echokit.objectives.objective import Targets

    rng = np.random.default_rng(0)
    ef = rng.uniform(20, 80, 90)
    targets = Targets((ef < 50).astype(np.int64), ef, 50.0, quantity=True)
    fold = Fold(0, 0, np.arange(0, 30), np.arange(30, 60), np.arange(60, 90))
    import pandas as pd

    names = [f"p{i}" for i in range(90)]
    table = pd.DataFrame(
        {"case_id": names, "patient_id": names, "split": np.repeat(["train", "val", "test"], 30), "repeat": 0}
        | {"fold": 0, "y_true": targets.y_true, "y_score": 50 - ef + rng.normal(0, 5, 90)}
    )
    material = Material(table[["case_id", "patient_id"]], None, targets)  # type: ignore[arg-type]
    objective = EfRegression()(targets)
    first = calibrate(objective, material, fold, table)
    assert isinstance(first, Calibration)
    spoiled = table.assign(y_score=np.where(table["split"] == "val", table["y_score"], rng.normal(0, 99, 90)))
    assert calibrate(objective, material, fold, spoiled) == first
    changed = table.assign(y_score=table["y_score"] + np.where(table["split"] == "val", 1.0, 0.0))
    assert calibrate(objective, material, fold, changed) != first
    without = table[table["split"] != "val"]
    assert calibrate(objective, material, fold, without) == Uncalibrated("there is no validation part")


def test_without_enough_validation_a_regression_says_no_probability_everywhere(
    hearts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = run(hearts, tmp_path, "ef_regression")
    n = (made.predictions["split"] == "val").sum()
    assert 0 < n < 20
    assert (made.predictions["score_is"] == "no probability").all()
    assert (made.predictions["threshold"] == 0).all()
    np.testing.assert_allclose(made.predictions["y_score"], 50 - made.predictions["prediction"], rtol=1e-6)
    summary = (made.path / "summary.md").read_text()
    assert f"no probability (not calibrated: the validation part has {n} patients" in summary
    metrics = json.loads((made.path / "metrics.json").read_text())
    assert all(metric["definition"].endswith("the score is no probability") for metric in metrics)
    accuracy = made.metric("accuracy")
    assert accuracy.threshold == 0
    test = made.predictions[made.predictions["split"] == "test"]
    assert accuracy.value == pytest.approx(((test["prediction"] <= 50) == (test["target"] < 50)).mean())
    same_answer(made, hearts)
    video = next((hearts / "Videos").iterdir())
    capfd.readouterr()
    assert exit_code(["predict", str(made.path), str(video)]) == 0
    said = capfd.readouterr().out
    assert "score: no probability" in said
    assert ", ef " in said


def test_two_tasks_on_one_model(hearts: Path, tmp_path: Path) -> None:
    made = run(hearts, tmp_path, "{use: multi_task, class_weights: balanced, calibrate: platt}", LARGE_VAL)
    table = made.predictions
    assert table["y_score"].between(0, 1).all()
    assert {"target", "prediction"} <= set(table.columns)
    assert "probability of reduced: ef < 50" in (made.path / "summary.md").read_text()
    read_calibration(made.fold(0))
    same_answer(made, hearts)


def test_a_focal_classifier_without_calibration_is_marked(hearts: Path, tmp_path: Path) -> None:
    made = run(hearts, tmp_path, "{use: cross_entropy, outputs: 1, focal: 2, label_smoothing: 0}")
    assert (made.predictions["score_is"] == "no probability").all()
    assert (made.predictions["threshold"] == 0.5).all()
    assert "target" in made.predictions
    assert "prediction" not in made.predictions
    same_answer(made, hearts)


def test_several_windows_are_averaged_and_predict_tells_their_range(
    hearts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = run(hearts, tmp_path, "{use: ef_regression, calibrate: null}", "official", "--set", "clip.test_clips=3")
    for answer in same_answer(made, hearts):
        assert answer.windows == 3
        assert answer.prediction is not None
        assert answer.prediction_range is not None
        assert answer.score_range is not None
        low, high = answer.prediction_range
        assert low < answer.prediction < high
        assert answer.score_range == pytest.approx((50 - high, 50 - low), abs=1e-3)
    video = str(next((hearts / "Videos").iterdir()))
    capfd.readouterr()
    said = []
    for _ in range(2):
        assert exit_code(["predict", str(made.path), video, "--json"]) == 0
        said.append(capfd.readouterr().out)
    assert said[0] == said[1]
    assert exit_code(["predict", str(made.path), video]) == 0
    assert "over 3 windows of 6 frames" in capfd.readouterr().out


def test_a_damaged_calibration_is_said(hearts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = run(hearts, tmp_path, "ef_regression")
    (made.fold(0) / "calibration.json").write_text('{"calibration": {"slope": -1}}')
    with pytest.raises(EchokitError, match="calibration can not be read"):
        Predictor(made, "cpu")
    (made.fold(0) / "calibration.json").unlink()
    assert exit_code(["predict", str(made.path), str(next((hearts / "Videos").iterdir()))]) == 2
    assert "calibration.json" in capfd.readouterr().err


def test_a_target_without_a_cut_off_is_refused(hearts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.format(root=hearts, objective="ef_regression", resample="official"))
    target = "target={from: ef, positive: normal, below: null, above: 50}"
    assert exit_code(["run", str(path), "--out", str(tmp_path), "--set", target]) == 2
    assert "below a cut-off" in capfd.readouterr().err
