"""A run in phases, end to end: a head on frozen weights is kept alone, predicts as it scored, and repeats itself."""

import shutil
from pathlib import Path

import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.models.weights.weight_files import load_weights
from echokit.pipeline.inference.predictor import Predictor
from echokit.results.run import Run
from tests.conftest import TINY
from tests.expect import command_error

FROZEN = """
extends: tiny.yaml
name: frozen
model: {weights: run:tiny}
augment: [{use: gain}]
train: {epochs: 4, phases: [{name: head, train: [head], epochs: 4, lr: 0.01, copies: 2}], keep: best_val_auroc}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Path:
    folder = tmp_path_factory.mktemp("phases")
    (folder / "tiny.yaml").write_text(TINY.format(root=phantom).replace("epochs: 2", "epochs: 1"))
    (folder / "frozen.yaml").write_text(FROZEN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        arguments = ["run", str(folder / "frozen.yaml"), "--out", str(folder / "runs"), "--with-dependencies"]
        assert exit_code(arguments) == 0
    return folder


def frozen(folder: Path) -> Run:
    return load_run(folder / "runs" / "frozen")


def test_head_is_saved_with_the_hash_of_its_backbone(folder: Path) -> None:
    tensors, facts = load_weights(frozen(folder).fold(0) / "best" / "model.safetensors")
    assert set(tensors) == {"head.weight", "head.bias"}
    assert len(str(facts["backbone_hash"])) == 32


def test_summary_has_phases_and_learning_rates(folder: Path) -> None:
    told = "phase head (trains head): 4 epochs at 0.01; batch size 4, adam"
    assert told in (frozen(folder).path / "summary.md").read_text()
    assert told in (frozen(folder).path / "report.html").read_text()


def test_predict_joins_backbone_and_head(folder: Path, phantom: Path) -> None:
    run = frozen(folder)
    row = run.predictions.iloc[-1]
    video = phantom / "Videos" / f"{row['case_id']}.avi"
    [answer] = Predictor(run)([(str(row["case_id"]), video)])
    assert answer.score == pytest.approx(row["y_score"], abs=1e-6)


def test_cached_features_give_the_same_bits(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(folder / "runs" / "tiny", tmp_path / "tiny", symlinks=True)
    for cache in (None, tmp_path / "cache"):
        if cache:
            monkeypatch.setenv("ECHOKIT_CACHE", str(cache))
        assert exit_code(["run", str(folder / "frozen.yaml"), "--out", str(tmp_path)]) == 0
        again = (load_run(tmp_path / "frozen").path / "predictions.csv").read_bytes()
        assert again == (frozen(folder).path / "predictions.csv").read_bytes()


def test_run_of_heads_gives_no_initial_weights(folder: Path) -> None:
    recipe = folder / "further.yaml"
    recipe.write_text("extends: tiny.yaml\nname: further\nmodel: {weights: run:frozen}\n")
    error = command_error(["run", str(recipe), "--out", str(folder / "runs")])
    assert (error.code, error.where) == ("weights.head_only", "model.weights")


def test_wrong_phases_are_refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["validate", str(folder / "frozen.yaml"), "--set", "train.epochs=9"]) == 2
    assert "the phases have 4 in total" in capfd.readouterr().err
    wrong = "train.phases=[{name: a, train: [stage.9], epochs: 1}]"
    changes = ["--set", wrong, "--set", "train.epochs=1"]
    assert exit_code(["run", str(folder / "frozen.yaml"), "--out", str(folder / "runs"), *changes]) == 2
    assert "no part 'stage.9'" in capfd.readouterr().err
