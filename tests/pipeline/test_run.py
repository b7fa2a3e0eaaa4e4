"""A whole run on real files, with a model that trains in seconds: its files, its lock, resume and folds."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from echokit.cli import exit_code
from echokit.evaluation.files.metric_files import read_predictions
from echokit.results.run import Run
from echokit.system.csv_cells import guard
from tests.expect import command_error
from tests.pipeline.conftest import run

FILES = ["lock.yaml", "cohort.csv", "history.jsonl", "predictions.csv", "metrics.json", "curves.json", "summary.md"]
PLOTS = ["roc.png", "pr.png", "confusion.png", "learning_curves.png"]


def test_every_file_is_written_and_no_pickle(finished: Run) -> None:
    for name in FILES:
        assert (finished.path / name).stat().st_size > 0, name
    for name in PLOTS:
        assert (finished.path / "plots" / name).read_bytes().startswith(b"\x89PNG"), name
    kinds = {path.suffix for path in (finished.path / "checkpoints").rglob("*") if path.is_file()}
    assert kinds == {".safetensors", ".json", ".jsonl", ".csv"}
    assert (finished.path / "checkpoints" / "fold-0" / "last").exists()  # to train it longer


def test_predictions_have_each_case_once_with_its_class(finished: Run) -> None:
    table, cohort = finished.predictions, pd.read_csv(finished.path / "cohort.csv")
    assert len(table) == len(cohort) == 24
    merged = table.merge(cohort, on="case_id", suffixes=("", "_cohort"))
    assert (merged["y_true"] == (merged["ef"] < 50)).all()
    assert (merged["split"] == merged["split_cohort"]).all()
    assert table["y_score"].between(0, 1).all()
    assert "source" not in cohort.columns


def test_every_metric_has_n_baseline_definition_and_interval(finished: Run) -> None:
    metrics = json.loads((finished.path / "metrics.json").read_text())
    assert {metric["metric"] for metric in metrics} == {"accuracy", "auroc", "auprc"}
    for metric in metrics:
        assert metric["n"] > metric["events"] > 0
        assert metric["definition"]
        if metric["metric"] == "auprc" and metric["events"] < 20:
            assert metric["interval"].startswith("none below 20 positives; permutation null")
        else:
            assert metric["low"] <= metric["value"] <= metric["high"]
        assert 0 < metric["baseline"] < 1


def test_every_file_of_a_phantom_run_is_stamped(finished: Run) -> None:
    for name in FILES:
        assert "PHANTOM DATA" in (finished.path / name).read_text(), name
    assert finished.lock.phantom


def test_unmarked_data_has_no_stamp(
    phantom: Path, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    real = tmp_path / "real"
    shutil.copytree(phantom, real)
    (real / "PHANTOM_DATA.json").unlink()
    made = run(tiny, tmp_path / "runs", "--set", f"data.root={real}", "--set", "train.epochs=1")
    assert "phantom" not in "".join(capfd.readouterr()).lower()
    for name in FILES[1:]:
        assert "phantom" not in (made.path / name).read_text().lower(), name
    assert not made.lock.phantom


def test_seed_changes_scores(finished: Run, tiny: Path, tmp_path: Path) -> None:
    other = run(tiny, tmp_path / "other", "--set", "seed=1")
    assert other.lock.recipe_hash != finished.lock.recipe_hash
    assert not other.predictions["y_score"].equals(finished.predictions["y_score"])


def test_resume_keeps_a_finished_run_and_refuses_another_recipe(tiny: Path, tmp_path: Path) -> None:
    first = run(tiny, tmp_path, "--set", "train.epochs=1")
    scores = (first.path / "predictions.csv").read_bytes()
    again = run(tiny, tmp_path, "--set", "train.epochs=1", "--resume")
    assert again.path == first.path
    assert (again.path / "predictions.csv").read_bytes() == scores
    error = command_error(["run", str(tiny), "--out", str(tmp_path), "--set", "target.below=45", "--resume"])
    assert (error.code, "target.below" in error.message) == ("run.other_recipe", True)


def test_one_fold_is_trained_and_not_evaluated(tiny: Path, tmp_path: Path) -> None:
    made = run(tiny, tmp_path, "--fold", "0", "--set", "train.epochs=1")
    assert (made.fold(0) / "best" / "model.safetensors").is_file()
    assert not made.complete
    assert exit_code(["run", str(tiny), "--out", str(tmp_path), "--fold", "7"]) == 2


def test_holdout_is_stratified_by_class(tiny: Path, tmp_path: Path) -> None:
    made = run(tiny, tmp_path, "--set", "resample=holdout", "--set", "train.epochs=1")
    counts = made.predictions.groupby("split")["y_true"].agg(["size", "sum"])
    assert set(counts.index) == {"train", "val", "test"}
    assert (counts["sum"] > 0).all()
    assert (counts["sum"] < counts["size"]).all()


def test_cases_with_wild_names_come_through_a_run(tmp_path: Path, phantom: Path, tiny: Path) -> None:
    """Names that a spreadsheet would run, or that look like a missing value, are the same in every table."""
    root = tmp_path / "hearts"
    shutil.copytree(phantom, root)
    listing = root / "FileList.csv"
    text = listing.read_text(encoding="utf-8")
    cases = [line.split(",")[0].removesuffix(".avi") for line in text.splitlines()[1:6]]
    names = ["=1+1", "-12", "@x", "NA", "'=q"]
    for old, new in zip(cases, names, strict=True):
        (root / "Videos" / f"{old}.avi").rename(root / "Videos" / f"{new}.avi")
        text = text.replace(f"\n{old}", f"\n{guard(new)}")
    listing.write_text(text, encoding="utf-8")
    done = run(tiny, tmp_path, "--set", f"data.root={root}", "--set", "train.epochs=1")
    assert set(names) <= set(done.predictions["case_id"])
    assert set(names) <= set(done.cohort["case_id"])
    assert set(names) <= set(read_predictions(done.path / "predictions.csv").table["case_id"])
    assert exit_code(["report", str(done.path)]) == 0
