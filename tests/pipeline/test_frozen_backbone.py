"""Folds on one frozen backbone: shared features, own heads, nested selection and negative controls."""

import json
from pathlib import Path

import numpy as np
import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.errors import RecipeError
from echokit.models.weights.weight_files import load_weights, save_tensors
from echokit.pipeline.inference.predictor import Predictor
from echokit.pipeline.initial_weights import training_history
from echokit.results.run import Run
from tests.conftest import TINY
from tests.expect import command_error, mistakes

FROZEN = """
extends: tiny.yaml
name: frozen
model: {{dropout: 0.2, weights: {weights}}}
augment: [gain]
resample: {{use: kfold, k: 3}}
train:
  batch_size: 64
  epochs: 20
  phases: [{{name: head, train: [head], epochs: 20, lr: 0.01, copies: 2}}]
  keep: last
evaluate: [auroc, brier]
"""


NESTED = """
extends: frozen.yaml
name: nested
resample:
  {use: nested, k: 3, repeats: 2, inner: 2, search: {train.optimizer.lr: [1.0e-3, 0.01], model.dropout: [0.5, 0.0]}}
train: {phases: [{name: head, train: [head], epochs: 20, copies: 2}]}
controls:
  permutations: 19
  covariates: {volumes: [edv, esv], file: [fps]}
  predicted_ef: true
  single_frame: true
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Path:
    folder = tmp_path_factory.mktemp("frozen")
    (folder / "tiny.yaml").write_text(TINY.format(root=phantom).replace("epochs: 2", "epochs: 1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        assert exit_code(["run", str(folder / "tiny.yaml"), "--out", str(folder / "runs")]) == 0
        tensors, metadata = load_weights(load_run(folder / "runs" / "tiny").fold(0) / "best" / "model.safetensors")
        weights = folder / "other_patients.safetensors"
        save_tensors(weights, tensors, {**metadata, "history": training_history(["another"], None)})
        (folder / "frozen.yaml").write_text(FROZEN.format(weights=weights))
        (folder / "nested.yaml").write_text(NESTED)
        for name in ("frozen", "nested"):
            assert exit_code(["run", str(folder / f"{name}.yaml"), "--out", str(folder / "runs")]) == 0
    return folder


def frozen(folder: Path) -> Run:
    return load_run(folder / "runs" / "frozen")


def test_single_fold_gives_the_bits_of_the_whole_run(folder: Path, tmp_path: Path) -> None:
    arguments = ["run", str(folder / "frozen.yaml"), "--out", str(tmp_path)]
    assert exit_code([*arguments, "--fold", "1"]) == 0
    assert exit_code([*arguments, "--resume"]) == 0
    for name in ("predictions.csv", "metrics.json"):
        assert (load_run(tmp_path / "frozen").path / name).read_bytes() == (frozen(folder).path / name).read_bytes()


def test_folds_share_the_backbone_and_have_their_own_heads(folder: Path) -> None:
    from echokit.models.weights.weight_files import load_weights

    heads = [load_weights(frozen(folder).fold(number) / "best" / "model.safetensors") for number in range(3)]
    assert len({facts["backbone_hash"] for _, facts in heads}) == 1
    assert all(set(tensors) == {"head.weight", "head.bias"} for tensors, _ in heads)
    assert not np.array_equal(heads[0][0]["head.weight"], heads[1][0]["head.weight"])


def test_predict_averages_the_folds(folder: Path, phantom: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = frozen(folder)
    case = str(run.predictions["case_id"].iloc[0])
    rows = run.predictions[run.predictions["case_id"] == case]
    [answer] = Predictor(run)([(case, phantom / "Videos" / f"{case}.avi")])
    assert answer.score == pytest.approx(rows["y_score"].mean(), abs=1e-5)
    arguments = ["predict", str(run.path), str(phantom / "Videos" / f"{case}.avi")]
    assert exit_code(arguments) == 0
    assert "score: mean over the models of 3 folds, probability of " in capsys.readouterr().out


def test_nested_run_records_choices_and_is_repeatable(folder: Path, tmp_path: Path) -> None:
    run = load_run(folder / "runs" / "nested")
    choices = [json.loads((run.fold(number) / "choice.json").read_text()) for number in range(6)]
    for choice in choices:
        assert choice["phantom"]
        assert choice["chosen"] in [one["values"] for one in choice["tried"]]
        assert len(choice["tried"]) == 4
        assert max(one["inner_auroc"] for one in choice["tried"]) == next(
            one["inner_auroc"] for one in choice["tried"] if one["values"] == choice["chosen"]
        )
    assert "## Selected configurations" in (run.path / "summary.md").read_text()
    assert exit_code(["run", str(folder / "nested.yaml"), "--out", str(tmp_path), "--fold", "4"]) == 0
    alone = load_run(tmp_path / "nested").fold(4)
    for name in ("choice.json", "predictions.csv", "history.jsonl"):
        if name != "history.jsonl":  # it has seconds
            assert (alone / name).read_bytes() == (run.fold(4) / name).read_bytes(), name


def test_controls_have_intervals_and_a_p_value(folder: Path) -> None:
    run = load_run(folder / "runs" / "nested")
    content = json.loads((run.path / "controls.json").read_text())
    assert content["data"] == "PHANTOM DATA"
    assert [one["name"] for one in content["controls"]] == ["volumes", "file", "predicted EF", "single frame"]
    for one in content["controls"]:
        assert one["low"] < one["value"] < one["high"] or one["value"] in (0, 1)
        assert (one["n"], one["events"]) == (24, run.metric("auroc_within_fold").events)
    test = content["permutation"]
    reached = sum(value >= test["observed"] - 1e-12 for value in test["null"])
    assert test["p"] == (reached + 1) / 20
    text = (run.path / "summary.md").read_text()
    assert "## Negative controls" in text
    assert f"/ (19 + 1) = {test['p']:.3g}" in text


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("resample.search={train.phases.0.epochs: [1, 2]}", "search.unsearchable_key"),
        ("resample.search={objective.focal: [0.0, 1.0]}", "search.unsearchable_key"),
        ("resample.search={model.dropout: [0.0, 2.0]}", "parameter.invalid"),
        ("resample.search={model.dropout: [0.0]}", "search.one_candidate"),
        ("controls.shuffles=3", "parameter.unknown"),
    ],
)
def test_wrong_search_is_refused_by_validate(folder: Path, change: str, code: str) -> None:
    recipe = folder / "wrong.yaml"
    recipe.write_text(
        "extends: frozen.yaml\nname: wrong\nresample: {use: nested, search: {model.dropout: [0.0, 0.5]}}\n"
    )
    if change.startswith("resample"):
        recipe.write_text("extends: frozen.yaml\nname: wrong\n")
        change = "resample={use: nested, search: " + change.partition("=")[2] + "}"
    error = command_error(["validate", str(recipe), "--set", change])
    assert isinstance(error, RecipeError)
    assert code in [found for found, _ in mistakes(error)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (["train={phases: [{name: all, epochs: 2}], epochs: 2}"], "budget.whole_models"),
        (["resample={use: leave_pair_out}", "evaluate=[auroc]", "train.phases=null"], "budget.whole_models"),
        (["model.weights=null"], "budget.several_backbones"),
        (
            ["resample.search={train.optimizer.weight_decay: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}"],
            "search.too_many_candidates",
        ),
        (["controls.covariates={a: [edw]}"], "controls.no_column"),
        (["resample={use: kfold, k: 3}", "train.batch_size=4"], "train.batch_too_small"),
    ],
)
def test_unaffordable_or_unsupported_run_is_refused(
    folder: Path, tmp_path: Path, changes: list[str], code: str
) -> None:
    arguments = [part for change in changes for part in ("--set", change)]
    if "leave_pair_out" in changes[0]:
        arguments += ["--set", "controls=null"]
    error = command_error(["run", str(folder / "nested.yaml"), "--out", str(tmp_path), *arguments])
    assert error.code == code
    assert not (tmp_path / "nested").exists()  # before anything is made
