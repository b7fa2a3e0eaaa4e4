"""Patients with cases of both classes: two examinations of a quantity, or a contradictory outcome."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pandas as pd
import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.evaluation.predictions import Predictions
from tests.expect import refused


def with_patients(phantom: Path, root: Path) -> Path:
    """The phantom with PatientId: in each split the first two videos of different classes are of one patient."""
    shutil.copytree(phantom, root)
    with (root / "FileList.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row["PatientId"] = f"patient-{number}"
    for split in {row["Split"] for row in rows}:
        of_split = [row for row in rows if row["Split"] == split]
        low = next(row for row in of_split if float(row["EF"]) < 50)
        next(row for row in of_split if float(row["EF"]) >= 50)["PatientId"] = low["PatientId"]
    with (root / "FileList.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return root


def test_examinations_on_both_sides_of_the_cut_off_get_a_warning(
    phantom: Path, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = with_patients(phantom, tmp_path / "hearts")
    arguments = ["--set", f"data.root={root}", "--set", "train.epochs=1", "--out", str(tmp_path / "runs")]
    warning = "3 patients"
    assert exit_code(["run", str(tiny), "--dry-run", *arguments]) == 0
    assert warning in capfd.readouterr().err
    assert exit_code(["run", str(tiny), *arguments]) == 0
    run = load_run(next((tmp_path / "runs" / "tiny").glob("2*")))
    assert warning in (run.path / "summary.md").read_text()
    test = run.predictions[run.predictions["split"] == "test"]
    auroc = run.metric("auroc")
    assert auroc.n == len(test)  # the patient of two videos counts twice
    assert auroc.events == test["y_true"].sum()
    assert test["patient_id"].nunique() == len(test) - 1


def test_contradictory_outcomes_of_a_patient_are_refused(
    phantom: Path, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    videos = sorted((phantom / "Videos").glob("*.avi"))
    lines = [f"hearts/Videos/{path.name},p{number // 2},{number % 3 == 0:d}" for number, path in enumerate(videos)]
    shutil.copytree(phantom, tmp_path / "hearts")
    (tmp_path / "cases.csv").write_text("source,patient_id,target\n" + "\n".join(lines) + "\n")
    recipe = tmp_path / "dead.yaml"
    data = f"data: {{use: table, table: {tmp_path / 'cases.csv'}}}\ntarget: {{from: target, positive: dead}}\n"
    others = [line for line in tiny.read_text().splitlines() if not line.startswith(("data:", "target:"))]
    recipe.write_text(data + "\n".join(others) + "\n")
    assert exit_code(["run", str(recipe), "--dry-run"]) == 2
    err = capfd.readouterr().err
    assert "8 patients" in err
    assert "case-" in err
    assert "p0" not in err  # the patient is not named


def test_scores_of_both_classes_are_averaged_separately() -> None:
    table = pd.DataFrame(
        {
            "case_id": list("abcd"),
            "patient_id": ["one", "one", "one", "two"],
            "split": "test",
            "repeat": 0,
            "fold": 0,
            "y_true": [1, 1, 0, 0],
            "y_score": [0.9, 0.7, 0.2, 0.1],
        }
    )
    with refused("predictions.two_classes", names=("'one'",)):
        Predictions(table).per_patient()
    patients = Predictions(table.assign(target=[40.0, 44.0, 56.0, 60.0])).per_patient().table
    assert patients["patient_id"].tolist() == ["one, y_true 1", "one, y_true 0", "two"]
    assert patients["y_score"].tolist() == pytest.approx([0.8, 0.2, 0.1])
    assert patients["target"].tolist() == [42.0, 56.0, 60.0]
