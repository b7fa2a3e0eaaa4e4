"""Checks before training: the dry run, and mistakes that stop a run before it opens a video."""

import shutil
from pathlib import Path

import pytest

from echokit.cli import exit_code


def test_dry_run_counts_patients_sets_and_missing_videos(
    phantom: Path, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(phantom, tmp_path / "hearts")
    next((tmp_path / "hearts" / "Videos").glob("*.avi")).unlink()
    assert exit_code(["run", str(tiny), "--dry-run", "--set", f"data.root={tmp_path / 'hearts'}"]) == 0
    said = capfd.readouterr().err
    assert "24 cases of 24 patients in EchoNet-Dynamic layout" in said
    assert "train 16 (9 reduced), validation 4 (2 reduced), test 4 (2 reduced)" in said
    assert "note: 1 of 24 videos are missing" in said


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("model.backbone={use: timm, name: resnet81}", "timm has no model 'resnet81'"),
        ("train.l1={strength: 0.1, on: [staages.3]}", "the model has no part 'staages.3'"),
        ("train.phases=[{name: one, epochs: 1, train: [staages.3]}]", "the model has no part 'staages.3'"),
    ],
)
def test_impossible_model_is_refused_before_any_video(
    tiny: Path,
    tmp_path: Path,
    wrong: str,
    said: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path / "cache"))
    short = () if "phases" in wrong else ("--set", "train.epochs=1")
    if not short:
        tiny.write_text(tiny.read_text().replace("epochs: 2, ", ""))
    for dry in (("--dry-run",), ()):
        assert exit_code(["run", str(tiny), "--out", str(tmp_path / "runs"), *short, *dry, "--set", wrong]) == 2
        assert said in capfd.readouterr().err
    assert not (tmp_path / "cache" / "store").exists()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "wrong", ["train.l1={strength: 0.1, on: [staages.3]}", "resample={use: holdout, val: 0.0, test: 0.2}"]
)
def test_refused_run_leaves_no_directory(tiny: Path, tmp_path: Path, wrong: str) -> None:
    tiny.write_text(tiny.read_text().replace("clip: {frames: 12}", "clip: {frames: null}"))
    assert exit_code(["run", str(tiny), "--out", str(tmp_path / "runs"), "--set", wrong]) == 2
    assert not (tmp_path / "runs").exists()
