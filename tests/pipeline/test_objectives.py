"""A whole run of each objective: what its score is, where that is said, and the same answer from `predict`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.data.cohort.targets import Targets
from echokit.pipeline.fold_files import calibrate, load_calibration
from echokit.pipeline.inference.predictor import Predictor
from echokit.results.run import Run
from echokit.training.calibrators.calibration import Calibration, Uncalibrated
from echokit.training.calibrators.normal import Normal
from echokit.training.calibrators.platt import Platt
from echokit.training.objectives.ef_regression import EfRegression
from tests.expect import refused
from tests.seal import reseal

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
    """Fifty phantom hearts: enough for a validation set that can calibrate."""
    from echokit.phantom.write_echonet_dynamic import write_phantom

    root = tmp_path_factory.mktemp("many") / "hearts"
    write_phantom(root, cases=50, seed=5, ef="wide", frames=(20, 24), workers=1)
    return root


@pytest.fixture(scope="module")
def lamps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty videos in the same layout whose brightness is their EF: any model learns it in a few steps."""
    from echokit import write_video

    root = tmp_path_factory.mktemp("lamps")
    (root / "Videos").mkdir()
    ef = np.random.default_rng(1).uniform(25, 75, 60).round(2)
    for index, value in enumerate(ef):
        frames = np.full((20, 32, 32), round(3 * value), np.uint8)
        frames[:, ::2] //= 2  # a pattern, so that a frame has a spread
        place = 4 * (index % 8)
        frames[:, 28:, place : place + 4] = 40 + 25 * (index // 8)  # no two are the same recording
        write_video(root / "Videos" / f"lamp{index:02d}.avi", frames, 30.0)
    table = pd.DataFrame({"FileName": [f"lamp{i:02d}" for i in range(60)], "EF": ef, "ESV": 100 - ef, "EDV": 100.0})
    table = table.assign(FrameHeight=32, FrameWidth=32, FPS=30, NumberOfFrames=20, Split="TRAIN")
    table.loc[20:44, "Split"] = "VAL"
    table.loc[45:, "Split"] = "TEST"
    table.to_csv(root / "FileList.csv", index=False)
    return root


def run(hearts: Path, folder: Path, objective: str, resample: str = "official", *arguments: str) -> Run:
    path = folder / "tiny.yaml"
    path.write_text(RECIPE.format(root=hearts, objective=objective, resample=resample))
    assert exit_code(["run", str(path), "--out", str(folder / "runs"), *arguments]) == 0
    return load_run(folder / "runs" / "tiny")


def same_answer(made: Run, hearts: Path) -> list[dict]:
    """`predict` gives the rows of the run; returns what it said."""
    predictor = Predictor(made, "cpu")
    rows = made.predictions.query("split != 'train'").iloc[[0, -1]]  # training cases are scored by one window
    answers = list(predictor([(case, hearts / "Videos" / f"{case}.avi") for case in rows["case_id"]]))
    assert [a.score for a in answers] == pytest.approx(rows["y_score"].tolist(), abs=1e-4)
    if "prediction" in rows:
        assert [a.prediction for a in answers] == pytest.approx(rows["prediction"].tolist(), abs=1e-3)
    assert [a.positive for a in answers] == (rows["y_score"] >= predictor.threshold).tolist()
    assert predictor.probability == ("score_is" not in rows)
    return answers


def test_regression_is_calibrated_on_validation_patients(lamps: Path, tmp_path: Path) -> None:
    made = run(lamps, tmp_path, "ef_regression", "official", "--set", "train.epochs=6", "--set", "train.batch_size=4")
    calibration = load_calibration(made.fold(0), Normal())
    assert isinstance(calibration, Calibration)
    assert calibration.n == 25
    table = made.predictions
    np.testing.assert_allclose(table["y_score"], calibration(50 - table["prediction"].to_numpy()), rtol=1e-9)
    assert ((table["target"] < 50) == (table["y_true"] == 1)).all()
    assert "score_is" not in table
    summary = (made.path / "summary.md").read_text()
    assert f"probability of reduced: ef < 50: {calibration.definition}" in summary
    metrics = json.loads((made.path / "metrics.json").read_text())
    assert not any("no probability" in metric["definition"] for metric in metrics)
    assert made.metric("accuracy").threshold == 0.5
    assert Predictor(made, "cpu").threshold == 0.5
    assert made.metric("auroc").value > 0.8
    same_answer(made, lamps)


def test_same_recipe_gives_the_same_bits_and_calibration(lamps: Path, tmp_path: Path) -> None:
    settings = ("--set", "clip.test_clips=2")
    made = [run(lamps, tmp_path, "ef_regression", "official", *settings) for _ in range(2)]
    again = run(lamps, tmp_path, "ef_regression", "official", *settings, "--resume")
    assert made[0].path != made[1].path
    assert again.path == made[1].path
    for name in ("predictions.csv", "metrics.json", "checkpoints/fold-0/calibration.json"):
        first, *others = [(one.path / name).read_bytes() for one in (*made, again)]
        assert all(other == first for other in others), name


def test_calibration_uses_the_validation_set_only() -> None:
    rng = np.random.default_rng(0)
    ef = rng.uniform(20, 80, 90)
    names = [f"p{i}" for i in range(90)]
    table = pd.DataFrame(
        {"case_id": names, "patient_id": names, "split": np.repeat(["train", "val", "test"], 30), "repeat": 0}
        | {"fold": 0, "y_true": (ef < 50).astype(int), "y_score": 50 - ef + rng.normal(0, 5, 90), "target": ef}
    )
    objective = EfRegression(calibrate=Normal())(Targets((ef < 50).astype(np.int64), ef, 50.0, quantity=True))
    first = calibrate(objective, table, below=50.0)
    assert isinstance(first, Calibration)
    other = table["split"] != "val"
    spoiled = table.assign(
        y_score=table["y_score"].where(~other, rng.normal(0, 99, 90)),
        target=table["target"].where(~other, 1.0),
        y_true=table["y_true"].where(~other, 1),
    )
    assert calibrate(objective, spoiled, below=50.0) == first
    moved = table.assign(y_score=table["y_score"] + np.where(other, 0.0, 1.0))
    assert calibrate(objective, moved, below=50.0) != first
    assert calibrate(objective, table[other], below=50.0) == Uncalibrated("there is no validation set")
    # Two videos of one patient are one patient.
    twice = pd.concat([table, table.assign(case_id=table["case_id"] + "b")])
    assert calibrate(objective, twice, below=50.0) == first


def test_uncalibrated_regression_is_marked_everywhere(
    hearts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = run(hearts, tmp_path, "ef_regression")
    n = (made.predictions["split"] == "val").sum()
    assert 0 < n < 20
    assert (made.predictions["score_is"] == "no probability").all()
    assert (made.predictions["threshold"] == 0).all()
    np.testing.assert_allclose(made.predictions["y_score"], 50 - made.predictions["prediction"], rtol=1e-6)
    summary = (made.path / "summary.md").read_text()
    assert f"no probability (not calibrated: the validation set has {n} patients" in summary
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
    assert "score: not a probability" in said
    assert ", ef " in said


def test_multi_task_run(hearts: Path, tmp_path: Path) -> None:
    made = run(hearts, tmp_path, "{use: multi_task, class_weights: balanced, calibrate: platt}", LARGE_VAL)
    table = made.predictions
    assert table["y_score"].between(0, 1).all()
    assert {"target", "prediction"} <= set(table.columns)
    assert "probability of reduced: ef < 50" in (made.path / "summary.md").read_text()
    load_calibration(made.fold(0), Platt())
    same_answer(made, hearts)


def test_focal_classifier_without_calibration_is_marked(hearts: Path, tmp_path: Path) -> None:
    made = run(hearts, tmp_path, "{use: cross_entropy, outputs: 1, focal: 2, label_smoothing: 0}")
    assert (made.predictions["score_is"] == "no probability").all()
    assert (made.predictions["threshold"] == 0.5).all()
    assert "target" in made.predictions
    assert "prediction" not in made.predictions
    same_answer(made, hearts)


def test_several_windows_are_averaged_with_their_range(
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


def test_damaged_calibration_is_refused(hearts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = run(hearts, tmp_path, "ef_regression")
    (made.fold(0) / "calibration.json").write_text('{"calibration": {"slope": -1}}')
    with refused("run.damaged_file", where="fold-0/calibration.json"):
        Predictor(made, "cpu")
    reseal(made.path)
    with refused("fold.bad_calibration", where="calibration.json"):
        Predictor(made, "cpu")
    (made.fold(0) / "calibration.json").unlink()
    assert exit_code(["predict", str(made.path), str(next((hearts / "Videos").iterdir()))]) == 2
    assert "calibration.json" in capfd.readouterr().err


def test_target_without_a_cut_off_is_refused(hearts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.format(root=hearts, objective="ef_regression", resample="official"))
    target = "target={from: ef, positive: normal, below: null, above: 50}"
    assert exit_code(["run", str(path), "--out", str(tmp_path), "--set", target]) == 2
    assert "below a cut-off" in capfd.readouterr().err
