"""A resumed run uses what it has saved only if it is what it wrote, and belongs to its cohort."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from echokit.cli import exit_code
from echokit.results.run import Run, read_notes
from echokit.system.checksums import add_checksums
from tests.expect import command_error


def copy_of(run: Run, tmp_path: Path) -> tuple[Run, list[str]]:
    """A copy of a run, and the command that resumes it."""
    copy = Run(Path(shutil.copytree(run.path, tmp_path / "runs" / "tiny" / run.path.name)))
    return copy, [
        "run",
        str(run.path.parents[2] / "tiny.yaml"),
        "--out",
        str(tmp_path / "runs"),
        "--resume",
        str(copy.path),
    ]


def edited(table: pd.DataFrame, column: str) -> pd.DataFrame:
    changed = table.copy()
    changed.loc[0, column] = {"y_true": 1 - table.loc[0, "y_true"], "y_score": 0.5, "split": "test"}[column]
    return changed


@pytest.mark.parametrize(
    ("column", "sealed"),
    [(column, False) for column in ("y_true", "y_score", "split", "fold of another")]
    + [(column, True) for column in ("y_true", "split", "fold of another")],  # only its checksum tells a score
)
def test_damaged_scores_of_a_fold_are_computed_again(two_folds: Run, tmp_path: Path, column: str, sealed: bool) -> None:
    copy, resume = copy_of(two_folds, tmp_path)
    scores = copy.fold(1) / "predictions.csv"
    if column == "fold of another":
        shutil.copy(copy.fold(0) / "predictions.csv", scores)
    else:
        edited(pd.read_csv(scores), column).to_csv(scores, index=False)
    if sealed:  # the checksum too, as after a careful edit
        add_checksums(copy.fold(1), ["predictions.csv"])
    assert exit_code(resume) == 0
    for name in ("predictions.csv", "metrics.json", "curves.json", "checkpoints/fold-1/predictions.csv"):
        assert (copy.path / name).read_bytes() == (two_folds.path / name).read_bytes(), name
    assert [note for note in read_notes(copy) if "1 of 2 folds" in note and "fold 1" in note]
    assert exit_code(resume) == 0
    assert read_notes(copy) == read_notes(two_folds)


def test_an_edited_history_of_a_fold_is_refused(two_folds: Run, tmp_path: Path) -> None:
    copy, resume = copy_of(two_folds, tmp_path)
    file = copy.fold(1) / "history.jsonl"
    record = json.loads(file.read_text())
    for text in (json.dumps({**record, "val_auroc": 1.0}) + "\n", "[1]\n", "{"):
        file.write_text(text)
        error = command_error(resume)
        assert (error.code, Path(str(error.where)).name) == ("checkpoint.damaged", "history.jsonl")


@pytest.mark.parametrize("name", ["model.safetensors", "state.json"])
def test_edited_facts_of_the_weights_are_refused(two_folds: Run, tmp_path: Path, name: str) -> None:
    """The facts in a safetensors file are in its header, which the checksum of its tensors does not cover."""
    copy, resume = copy_of(two_folds, tmp_path)
    file = copy.fold(1) / "best" / name
    content = file.read_bytes()
    file.write_bytes(content.replace(b"phantom", b"phantoM", 1))
    assert file.read_bytes() != content
    assert command_error(resume).code == "checkpoint.damaged"


def test_a_fold_copied_over_another_is_refused(two_folds: Run, tmp_path: Path) -> None:
    copy, resume = copy_of(two_folds, tmp_path)
    shutil.rmtree(copy.fold(1))
    shutil.copytree(copy.fold(0), copy.fold(1))
    assert command_error(resume).code == "checkpoint.other_training"


def test_a_removed_fold_is_trained_again_to_the_same_bits(two_folds: Run, tmp_path: Path) -> None:
    copy, resume = copy_of(two_folds, tmp_path)
    shutil.rmtree(copy.fold(1))
    (copy.path / "metrics.json").write_text("[]")
    (copy.path / "cohort.csv").write_text("case_id\n")
    assert exit_code(resume) == 0
    for name in ("predictions.csv", "metrics.json", "cohort.csv"):
        assert (copy.path / name).read_bytes() == (two_folds.path / name).read_bytes(), name


def test_an_edited_lock_is_refused(two_folds: Run, tmp_path: Path) -> None:
    copy, resume = copy_of(two_folds, tmp_path)
    lock = copy.path / "lock.yaml"
    lock.write_text(lock.read_text().replace("cases: 24", "cases: 23"))
    error = command_error(resume)
    assert (error.code, Path(str(error.where)).name) == ("run.damaged_file", "lock.yaml")


def test_a_run_is_unfinished_while_its_results_are_written_again(two_folds: Run, tmp_path: Path) -> None:
    copy, resume = copy_of(two_folds, tmp_path)
    (copy.path / "summary.md").unlink()
    (copy.path / "summary.md").mkdir()  # the last file cannot be written
    assert exit_code(resume) != 0
    assert not copy.complete
    (copy.path / "summary.md").rmdir()
    assert exit_code(resume) == 0
    assert copy.complete
