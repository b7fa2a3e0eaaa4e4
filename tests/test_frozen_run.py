"""Folds on one frozen backbone: shared features, heads of their own, the same bits alone; hyperparameters chosen inside."""

from pathlib import Path

import numpy as np
import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.predict import Predictor
from echokit.run_directory import Run
from tests.conftest import TINY

FROZEN = """
extends: tiny.yaml
name: frozen
model: {{dropout: 0.2, weights: {weights}}}
augment: [gain]
resample: {{use: kfold, k: 3}}
train: {{batch_size: 64, epochs: 20, phases: [{{name: head, train: [head], epochs: 20, lr: 0.01, copies: 2}}], keep: last}}
evaluate: [auroc, brier]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Path:
    folder = tmp_path_factory.mktemp("frozen")
    (folder / "tiny.yaml").write_text(TINY.format(root=phantom).replace("epochs: 2", "epochs: 1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        assert exit_code(["run", str(folder / "tiny.yaml"), "--out", str(folder / "runs")]) == 0
        weights = load_run(folder / "runs" / "tiny").fold(0) / "best" / "model.safetensors"
        (folder / "frozen.yaml").write_text(FROZEN.format(weights=weights))
        assert exit_code(["run", str(folder / "frozen.yaml"), "--out", str(folder / "runs")]) == 0
    return folder


def frozen(folder: Path) -> Run:
    return load_run(folder / "runs" / "frozen")


def test_a_fold_alone_gives_the_bits_of_the_whole_run(folder: Path, tmp_path: Path) -> None:
    arguments = ["run", str(folder / "frozen.yaml"), "--out", str(tmp_path)]
    assert exit_code([*arguments, "--fold", "1"]) == 0
    assert exit_code([*arguments, "--resume"]) == 0
    for name in ("predictions.csv", "metrics.json"):
        assert (load_run(tmp_path / "frozen").path / name).read_bytes() == (frozen(folder).path / name).read_bytes()


def test_heads_of_folds_differ_and_share_their_backbone(folder: Path) -> None:
    from echokit.models.weights import load_weights

    heads = [load_weights(frozen(folder).fold(number) / "best" / "model.safetensors") for number in range(3)]
    assert len({facts["backbone_hash"] for _, facts in heads}) == 1
    assert all(set(tensors) == {"head.weight", "head.bias"} for tensors, _ in heads)
    assert not np.array_equal(heads[0][0]["head.weight"], heads[1][0]["head.weight"])


def test_predict_scores_as_the_folds_did(folder: Path, phantom: Path) -> None:
    run = frozen(folder)
    case = str(run.predictions["case_id"].iloc[0])
    rows = run.predictions[run.predictions["case_id"] == case]
    [answer] = Predictor(run)([(case, phantom / "Videos" / f"{case}.avi")])
    assert answer.score == pytest.approx(rows["y_score"].mean(), abs=1e-5)
