"""The lock of a run: its content, and runs repeated from it."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from echokit.cli import exit_code
from echokit.recipe.validate import load_recipe
from echokit.results.lock import LOCK_VERSION, lock_to_repeat
from echokit.results.run import Run, read_notes
from echokit.system.distribution import DISTRIBUTION
from tests.expect import refused
from tests.pipeline.conftest import run


def test_lock_records_components_target_and_environment(finished: Run) -> None:
    content = finished.lock.content
    assert content["recipe"]["data"]["fallback"] is None
    assert content["recipe"]["train"]["optimizer"]["eps"] == 1e-8
    assert content["target"]["definition"] == "reduced: ef < 50"
    names = {(part["kind"], part["name"]) for part in content["components"]}
    assert {("preprocessor", "optical_flow"), ("backbone", "resnet18"), ("evaluator", "auroc")} <= names
    assert all(part["code"] for part in content["components"])
    assert content["environment"]["packages"]["torch"]
    assert content["compute"]["why"].startswith(content["compute"]["precision"])
    assert content["compute"]["memory"].startswith("channels_last_3d; ")


def test_recipe_and_lock_give_the_same_bits(finished: Run, tmp_path: Path) -> None:
    again = run(finished.path / "lock.yaml", tmp_path / "again")
    assert again.lock.recipe_hash == finished.lock.recipe_hash
    for name in ("predictions.csv", "metrics.json", "curves.json", "cohort.csv"):
        assert (again.path / name).read_bytes() == (finished.path / name).read_bytes(), name


def test_repeat_with_other_code_or_version_is_reported(
    finished: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import yaml

    content = yaml.safe_load((finished.path / "lock.yaml").read_text())
    for part in content["components"]:
        if part["name"] == "optical_flow":
            part["version"] = "0.0.1"
        if part["name"] == "auroc":
            part["code"] = "0" * 32
    lock = tmp_path / "lock.yaml"
    lock.write_text(yaml.safe_dump(content, sort_keys=False))
    run(lock, tmp_path / "again")
    said = capfd.readouterr().err
    changed = "the preprocessor optical_flow has changed since the lock"
    assert f"differs from the lock: {changed}: {DISTRIBUTION} 0.0.1 then" in said
    assert "the evaluator auroc has changed since the lock" in said
    assert "with other code" in said
    assert said.count("has changed since the lock") == 2


@pytest.fixture
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let runs use three threads, which no other test does."""
    import torch

    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_another_number_of_threads_is_reported(
    finished: Run, tmp_path: Path, three_threads: None, capfd: pytest.CaptureFixture[str]
) -> None:
    threads = finished.lock.content["compute"]["threads"]
    again = run(finished.path / "lock.yaml", tmp_path / "again")
    assert again.lock.content["compute"]["threads"] == 3
    note_text = f"differs from the lock: the number of threads was {threads} and is 3"
    assert note_text in capfd.readouterr().err
    assert [note for note in read_notes(again) if note.startswith(note_text)]
    assert note_text in (again.path / "summary.md").read_text()
    copy = Path(shutil.copytree(finished.path, tmp_path / "copy"))
    recipe = str(finished.path.parents[2] / "tiny.yaml")
    assert exit_code(["run", recipe, "--out", str(tmp_path), "--resume", str(copy)]) == 0
    assert "the number of threads was" in capfd.readouterr().err
    assert (copy / "predictions.csv").read_bytes() == (finished.path / "predictions.csv").read_bytes()


def test_lock_of_other_data_is_refused(
    finished: Run, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(phantom, other)
    table = pd.read_csv(other / "FileList.csv")
    table["EF"] = table["EF"].round(1)
    table.to_csv(other / "FileList.csv", index=False)
    lock = tmp_path / "lock.yaml"
    lock.write_text((finished.path / "lock.yaml").read_text().replace(str(phantom), str(other)))
    assert exit_code(["run", str(lock), "--out", str(tmp_path)]) == 2
    assert "the lock has 24 cases" in capfd.readouterr().err


def test_validate_and_explain_read_locks(finished: Run, capsys: pytest.CaptureFixture[str]) -> None:
    lock = str(finished.path / "lock.yaml")
    assert exit_code(["validate", lock, "--set", "train.epochs=7"]) == 0
    assert exit_code(["explain", lock]) == 0
    assert re.search(r"^train.epochs +2 +", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("command", ["validate", "explain", "run"])
def test_run_name_in_place_of_a_recipe_is_explained(
    finished: Run, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished.path, tmp_path / "runs" / "mine" / "latest")
    assert exit_code([command, "mine"]) == 2
    said = capsys.readouterr().err
    assert "there is no recipe 'mine', but a run of that name" in said
    assert "runs/mine/latest/lock.yaml" in said


def test_a_lock_whose_reader_is_missing_is_not_repeated(tiny: Path, tmp_path: Path) -> None:
    """No recipe names a reader, so nothing else would say why no video can be read."""
    facts = {"kind": "reader", "name": "npy", "plugin": "lab_npy", "package": "echokit-npy", "version": "0.2"}
    content = {"lock": LOCK_VERSION, "recipe_hash": "0", "components": [facts], "recipe": load_recipe(tiny).to_dict()}
    path = tmp_path / "lock.yaml"
    path.write_text(yaml.safe_dump(content))
    with refused("lock.no_plugin", "lock.yaml", ("pip install echokit-npy==0.2",)):
        lock_to_repeat(path)
    assert lock_to_repeat(tiny) is None
