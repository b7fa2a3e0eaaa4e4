"""A run that got more epochs is one that had them from the start, and says what it was before."""

import shutil
from pathlib import Path

import pytest

from echokit.cli import exit_code
from echokit.results.run import Run, changed_files, read_notes
from echokit.results.run_directories import find_run
from tests.expect import command_error

from .conftest import run

SAME = ("predictions.csv", "metrics.json", "curves.json", "checkpoints/fold-1/best/model.safetensors")


def copy_of(two_folds: Run, tmp_path: Path) -> tuple[Path, Path]:
    """The recipe of a run of one epoch, and a folder of runs with its copy."""
    shutil.copytree(two_folds.path, tmp_path / "runs" / "tiny" / two_folds.path.name)
    (tmp_path / "runs" / "tiny" / "latest").symlink_to(two_folds.path.name)
    return two_folds.path.parents[2] / "tiny.yaml", tmp_path / "runs"


@pytest.mark.slow
def test_an_extended_run_has_the_bits_of_a_longer_one(two_folds: Run, tmp_path: Path) -> None:
    recipe, out = copy_of(two_folds, tmp_path)
    extended = run(recipe, out, "--resume", "--set", "train.epochs=3")
    assert extended.path.name == two_folds.path.name
    whole = run(recipe, tmp_path / "whole", "--set", "train.epochs=3")
    for name in SAME:
        assert (extended.path / name).read_bytes() == (whole.path / name).read_bytes(), name
    assert extended.lock.recipe_hash == whole.lock.recipe_hash != two_folds.lock.recipe_hash
    [before] = extended.lock.extended
    assert (before["epochs"], before["recipe_hash"]) == (1, two_folds.lock.recipe_hash)
    assert before["finished"]
    assert extended.complete
    assert not changed_files(extended)
    assert [note for note in read_notes(extended) if "1 to 3 epochs" in note]
    assert not [note for note in read_notes(whole) if "epochs" in note]
    assert "2 configurations" in (extended.path / "summary.md").read_text()

    assert exit_code(["run", str(recipe), "--out", str(out), "--resume", "--set", "train.epochs=3"]) == 0
    assert find_run("tiny", out).lock.extended == [before]
    error = command_error(["run", str(recipe), "--out", str(out), "--resume"])
    assert (error.code, "train.epochs=3" in str(error)) == ("resume.fewer_epochs", True)


def test_folds_are_extended_one_by_one(two_folds: Run, tmp_path: Path) -> None:
    recipe, out = copy_of(two_folds, tmp_path)
    more = ["run", str(recipe), "--out", str(out), "--resume", "--set", "train.epochs=2"]
    assert exit_code([*more, "--fold", "1"]) == 0
    half = find_run("tiny", out)
    assert not half.complete
    assert exit_code(more) == 0
    whole = run(recipe, tmp_path / "whole", "--set", "train.epochs=2")
    for name in SAME:
        assert (half.path / name).read_bytes() == (whole.path / name).read_bytes(), name


@pytest.mark.parametrize("change", ["seed=1", "train.optimizer.lr=0.1"])
@pytest.mark.parametrize("option", [[], ["--dry-run"]])
def test_nothing_but_the_epochs_can_change(two_folds: Run, tmp_path: Path, change: str, option: list[str]) -> None:
    recipe, out = copy_of(two_folds, tmp_path)
    lock = (find_run("tiny", out).path / "lock.yaml").read_bytes()
    more = ["--resume", "--set", "train.epochs=2", "--set", change]
    error = command_error(["run", str(recipe), "--out", str(out), *more, *option])
    assert error.code == "run.other_recipe"
    assert change.partition("=")[0] in error.message
    assert (find_run("tiny", out).path / "lock.yaml").read_bytes() == lock


def test_a_run_without_its_last_state_is_not_extended(two_folds: Run, tmp_path: Path) -> None:
    recipe, out = copy_of(two_folds, tmp_path)
    shutil.rmtree(find_run("tiny", out).fold(1) / "last")
    error = command_error(["run", str(recipe), "--out", str(out), "--resume", "--set", "train.epochs=2"])
    assert (error.code, "fold-1" in error.message) == ("resume.no_state", True)
    assert find_run("tiny", out).complete
    assert exit_code(["run", str(recipe), "--out", str(out), "--resume"]) == 0


@pytest.mark.parametrize(
    ("first", "then", "code"),
    [
        (["train.schedule.use=one_cycle", "train.epochs=1"], ["train.epochs=2"], "resume.schedule"),
        (
            ["train.phases=[{name: head, train: [head], epochs: 1}, {name: all, epochs: 1}]"],
            ["train.phases.0.epochs=2"],
            "resume.other_phases",
        ),
        (["train.early_stop={patience: 1, by: 100.0}", "train.epochs=3"], ["train.epochs=5"], "resume.stopped_early"),
    ],
)
def test_a_run_that_cannot_be_longer_says_why(
    tiny: Path, tmp_path: Path, first: list[str], then: list[str], code: str
) -> None:
    tiny.write_text(tiny.read_text().replace("train: {epochs: 2, ", "train: {"))
    before = [part for change in first for part in ("--set", change)]
    done = run(tiny, tmp_path / "runs", *before)
    after = [part for change in then for part in ("--set", change)]
    error = command_error(["run", str(tiny), "--out", str(tmp_path / "runs"), "--resume", *before, *after])
    assert error.code == code
    assert done.complete
