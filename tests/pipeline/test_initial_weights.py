"""A run starts from another run's weights, end to end: found, named for ever, checked, reported, stamped."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from echokit import load_run
from echokit.cli import exit_code
from echokit.models.weights.weight_files import load_weights, save_tensors
from echokit.pipeline.initial_weights import training_history
from echokit.results.run import Run
from tests.conftest import TINY
from tests.expect import command_error
from tests.seal import reseal

ONE = ("--set", "train.epochs=1")


def weights_of(run: Run) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    return load_weights(run.fold(0) / "best" / "model.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Path:
    """A folder with the recipe ``tiny`` and one that starts from its run; ``--with-dependencies`` has made both."""
    folder = tmp_path_factory.mktemp("starting")
    (folder / "tiny.yaml").write_text(TINY.format(root=phantom))
    (folder / "next.yaml").write_text("extends: tiny.yaml\nname: next\nmodel: {weights: run:tiny}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        arguments = ["run", str(folder / "next.yaml"), "--out", str(folder / "runs"), *ONE]
        assert exit_code(arguments) == 2
        assert exit_code([*arguments, "--with-dependencies"]) == 0
    return folder


def go(folder: Path, out: Path, *changes: str) -> Run:
    arguments = [part for change in changes for part in ("--set", change)]
    shutil.copytree(folder / "runs" / "tiny", out / "tiny", symlinks=True, dirs_exist_ok=True)
    assert exit_code(["run", str(folder / "next.yaml"), "--out", str(out), *ONE, *arguments]) == 0
    return load_run(out / "next")


def test_missing_run_is_refused_with_the_command_to_run(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["run", str(folder / "next.yaml"), "--out", str(tmp_path), "--dry-run"]) == 2
    said = capfd.readouterr().err
    assert "echokit run tiny" in said
    assert "--with-dependencies" in said


def test_lock_names_run_fold_and_weight_hash(folder: Path) -> None:
    first, second = load_run(folder / "runs/tiny"), load_run(folder / "runs/next")
    weights = second.lock.content["weights"]
    assert weights["asked"] == "run:tiny"
    assert weights["source"] == f"run:tiny/{first.path.name}#fold-0"
    assert second.lock.content["recipe"]["model"]["weights"]["use"] == weights["source"]
    assert weights["recipe_hash"] == first.lock.recipe_hash
    assert first.lock.content["weights"] is None


def test_phantom_pretraining_is_marked_everywhere(folder: Path) -> None:
    first, second = load_run(folder / "runs/tiny"), load_run(folder / "runs/next")
    for name in ("lock.yaml", "summary.md"):
        assert "PHANTOM-PRETRAINED" in (second.path / name).read_text(), name
        assert "PHANTOM-PRETRAINED" not in (first.path / name).read_text(), name
    metadata = weights_of(second)[1]
    assert metadata["weights"] == {"content": second.lock.content["weights"]["content"], "phantom": True}


def test_weight_report_is_saved_and_the_head_is_new(folder: Path) -> None:
    report = json.loads((load_run(folder / "runs/next").fold(0) / "starting_weights.json").read_text())
    assert set(report["skipped"]) == {"head.weight", "head.bias"}
    assert report["share"] == 1
    assert "video_mean" in report["loaded"]
    assert report["adapted"] == {}
    assert report["missing"] == []


def test_checkpoint_describes_its_weights(folder: Path) -> None:
    metadata = weights_of(load_run(folder / "runs/tiny"))[1]
    assert {"norms", "clip", "preprocess", "target", "positive", "recipe_hash", "phantom", "shapes"} <= set(metadata)


def test_lock_pins_the_weights_and_refuses_others(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    second = go(folder, tmp_path)
    source = load_run(tmp_path / "tiny")
    newer = source.path.with_name("99990101-000000")
    shutil.copytree(source.path, newer)
    (tmp_path / "tiny" / "latest").unlink()
    (tmp_path / "tiny" / "latest").symlink_to(newer.name)
    lock = ["run", str(second.path / "lock.yaml"), "--out", str(tmp_path)]
    assert exit_code(lock) == 0
    again = load_run(tmp_path / "next")
    assert again.path != second.path
    assert (again.path / "predictions.csv").read_bytes() == (second.path / "predictions.csv").read_bytes()
    assert again.lock.recipe_hash == second.lock.recipe_hash
    assert exit_code(["run", str(folder / "next.yaml"), "--out", str(tmp_path), *ONE, "--resume"]) == 0

    file = source.fold(0) / "best" / "model.safetensors"
    tensors, metadata = load_weights(file)
    save_tensors(file, {name: tensor + 1 for name, tensor in tensors.items()}, metadata)
    assert command_error(lock).code == "run.damaged_file"
    reseal(source.path)
    capfd.readouterr()
    assert exit_code(lock) == 2
    assert "of the lock" in capfd.readouterr().err


def test_few_weights_are_reported_and_batch_norms_learned(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tensors, metadata = load_weights(load_run(folder / "runs/tiny").fold(0) / "best" / "model.safetensors")
    half = sum(tensor.numel() for name, tensor in tensors.items() if name.startswith("fused.")) * 0.4
    few: dict[str, torch.Tensor] = {}
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].numel(), reverse=True):
        if tensor.ndim == 5 and sum(t.numel() for t in few.values()) < half - tensor.numel():
            few[name] = tensor
    save_tensors(tmp_path / "few.safetensors", few, metadata)
    run = go(folder, tmp_path, f"model.weights={tmp_path / 'few.safetensors'}")
    report = json.loads((run.fold(0) / "starting_weights.json").read_text())
    assert 0.1 < report["share"] < 0.5
    said = capfd.readouterr()
    for text in (said.out + said.err, (run.path / "summary.md").read_text()):
        assert f"{report['share']:.0%}" in text or f"{report['share']:.1%}" in text
    moved = [t for name, t in weights_of(run)[0].items() if name.endswith("running_mean")]
    assert moved
    assert all(tensor.abs().max() > 0 for tensor in moved)


def test_weight_file_equals_its_run(folder: Path, tmp_path: Path) -> None:
    file = load_run(folder / "runs/tiny").fold(0) / "best" / "model.safetensors"
    by_file, by_run = go(folder, tmp_path, f"model.weights={file}"), load_run(folder / "runs/next")
    assert by_file.lock.recipe_hash == by_run.lock.recipe_hash
    for run in (by_file, by_run):
        assert run.lock.content["weights"]["phantom"]
        assert run.lock.content["weights"]["patients_known"]


def test_unknown_history_is_inherited(folder: Path, tmp_path: Path) -> None:
    tensors, _ = weights_of(load_run(folder / "runs/tiny"))
    save_tensors(tmp_path / "foreign.safetensors", tensors, {})
    first = go(folder, tmp_path / "first", f"model.weights={tmp_path / 'foreign.safetensors'}")
    second = go(folder, tmp_path / "second", f"model.weights={first.fold(0) / 'best' / 'model.safetensors'}")
    for run in (first, second):
        assert not run.lock.content["weights"]["patients_known"]
        assert "not known" in (run.path / "summary.md").read_text()


def test_patients_of_all_ancestors_are_refused_in_the_test_set(folder: Path, tmp_path: Path, phantom: Path) -> None:
    """A trains on some patients, B continues on others, C starts from B and tests on the first."""
    shutil.copytree(phantom, tmp_path / "hearts")

    def half(name: str, first: bool, weights: str) -> str:
        lines = sorted((phantom / "Videos").glob("*.avi"))
        lines = lines[:12] if first else lines[12:]
        table = [f"hearts/Videos/{path.name},{number % 2}" for number, path in enumerate(lines)]
        (tmp_path / f"{name}.csv").write_text("source,target\n" + "\n".join(table) + "\n")
        text = TINY.format(root=phantom).replace("name: tiny", f"name: {name}")
        text = text.replace("echonet_dynamic, root", "table, table").replace(
            str(phantom), str(tmp_path / f"{name}.csv")
        )
        text = text.replace("{from: ef, positive: reduced, below: 50}", "{from: target, positive: ill}")
        text = text.replace("two_stream, ", f"two_stream, weights: {weights}, ").replace("best_val_auroc", "last")
        (tmp_path / f"{name}.yaml").write_text(text + "resample: {use: kfold, k: 2}\n")
        return str(tmp_path / f"{name}.yaml")

    out = ["--out", str(tmp_path / "runs"), *ONE]
    assert exit_code(["run", half("a", True, "null"), *out]) == 0
    assert exit_code(["run", half("b", False, '"run:a#fold-0"'), *out]) == 0
    history = weights_of(load_run(tmp_path / "runs" / "b"))[1]["history"]
    assert isinstance(history, dict)
    assert (len(history["patients"]), history["known"]) == (12, True)
    error = command_error(["run", half("c", True, '"run:b#fold-0"'), *out])
    assert (error.code, error.where) == ("weights.test_overlap", "model.weights")


def test_normalisation_comes_with_the_weights_or_is_new(folder: Path, tmp_path: Path) -> None:
    other = "preprocess=[{use: trim, frames: 12}, {use: resize, size: 20}, optical_flow]"
    kept = go(folder, tmp_path / "kept", other, "model.weights.head=keep")
    before = weights_of(load_run(folder / "runs/tiny"))[1]["norms"]
    assert weights_of(kept)[1]["norms"] == before
    assert "trained with another `preprocess`" in (kept.path / "summary.md").read_text()
    new = go(folder, tmp_path / "new", other, "model.weights.norm=new")
    tensors, metadata = weights_of(new)
    assert metadata["norms"] != before
    assert tensors["video_mean"].tolist() == pytest.approx(metadata["norms"]["video"]["mean"])


def test_weights_trained_on_test_patients_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "runs" / "tiny", tmp_path / "tiny", symlinks=True)
    run = load_run(tmp_path / "tiny")
    tensors, metadata = weights_of(run)
    patients = run.predictions.loc[run.predictions["split"] == "test", "patient_id"]
    metadata["history"] = training_history(patients, None)
    save_tensors(run.fold(0) / "best" / "model.safetensors", tensors, metadata)
    reseal(run.path)
    error = command_error(["run", str(folder / "next.yaml"), "--out", str(tmp_path), *ONE])
    assert (error.code, error.where) == ("weights.test_overlap", "model.weights")


def test_fold_must_be_named_and_run_finished(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(folder / "runs" / "tiny", tmp_path / "tiny", symlinks=True)
    run = load_run(tmp_path / "tiny")
    arguments = ["run", str(folder / "next.yaml"), "--out", str(tmp_path), "--dry-run"]
    shutil.copytree(run.fold(0), run.fold(2))
    assert exit_code(arguments) == 2
    assert "run:tiny#fold-0" in capfd.readouterr().err
    assert exit_code([*arguments, "--set", "model.weights=run:tiny#fold-1"]) == 2
    assert "it has fold-0, fold-2" in capfd.readouterr().err
    chosen = [*arguments, "--set", "model.weights=run:tiny#fold-2"]
    assert command_error(chosen).code == "weights.other_fold"
    file = run.fold(2) / "best" / "model.safetensors"
    tensors, metadata = load_weights(file)
    save_tensors(file, tensors, {**metadata, "fold": 2})
    reseal(run.path)
    assert exit_code(chosen) == 0
    (run.path / "summary.md").unlink()
    shutil.rmtree(run.fold(2))
    assert exit_code(arguments) == 2
    assert "has not finished" in capfd.readouterr().err


def test_recipe_cannot_start_from_itself(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", str(folder / "next.yaml"), "--out", str(tmp_path), "--dry-run", "--with-dependencies"]
    assert exit_code([*arguments, "--set", "model.weights=run:next"]) == 2
    assert "its own run" in capfd.readouterr().err
    assert exit_code([*arguments, "--set", "model.weights=run:unheard_of"]) == 2
    assert "echokit run unheard_of" in capfd.readouterr().err


@pytest.mark.parametrize(
    "weights", ["run:", "run:tiny#2", "run:#fold-1", "''", "{use: run:a, head: old}", "kinetics400"]
)
def test_invalid_weights_are_a_mistake_in_the_recipe(folder: Path, weights: str) -> None:
    assert exit_code(["validate", str(folder / "next.yaml"), "--set", f"model.weights={weights}"]) == 2
