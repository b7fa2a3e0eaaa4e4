"""From studies and a table of patients to a cohort that recipes read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from echokit.cli import exit_code
from echokit.cli.screen import Screen
from echokit.data.cohort.hospital_table import Table
from echokit.data.cohort.target import TargetSettings, targets_of
from echokit.data.video.write import write_video
from echokit.pipeline.cohort_stage import read_cohort
from echokit.recipe.compose import find_recipe
from echokit.recipe.validate import load_recipe
from echokit.system.progress import show_progress_on
from echokit.tools.convert.convert import ConvertedDataset, convert_studies
from tests.data.video.make import write_dicom
from tests.expect import command_error, refused

from .make import fan_clip

PATIENTS = ("MRN-0007", "MRN-0007", "MRN-0008", "MRN-0009", "MRN-0010")


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five clips of four patients, and one of a fifth that is too short."""
    folder = tmp_path_factory.mktemp("hospital") / "studies"
    folder.mkdir()
    for index, patient in enumerate(PATIENTS):
        write_dicom(folder / f"{index}.dcm", fan_clip(index, 10), PatientID=patient)
    write_dicom(folder / "short.dcm", fan_clip(7, 10)[:4], PatientID="MRN-0011")
    return folder


def convert(studies: Path, folder: Path, table: str, **options: object) -> ConvertedDataset:
    path = folder / "outcomes.csv"
    path.write_text(table)
    return convert_studies([studies], folder / "data", table=path, workers=1, **options)  # type: ignore[arg-type]


def cohort_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "data" / "cohort.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_patient_table_becomes_a_cohort(tmp_path: Path, studies: Path, separator: str) -> None:
    text = "patient_id;died\nMRN-0008;1\nMRN-0007;0\nMRN-0009;0\nMRN-0010;1\n".replace(";", separator)
    made = convert(studies, tmp_path, text)
    rows = cohort_rows(tmp_path)
    assert list(rows[0]) == ["source", "patient_id", "target"]
    assert [row["target"] for row in rows] == ["0", "0", "1", "0", "1"]
    assert rows[0]["patient_id"] == rows[1]["patient_id"] != rows[2]["patient_id"]
    assert all((tmp_path / "data" / row["source"]).is_file() for row in rows)
    for path in (tmp_path / "data").rglob("*"):
        assert path.is_dir() or b"MRN-00" not in path.read_bytes(), f"{path.name} names a patient"
    assert "table" in made.next_step
    cohort = Table(table=str(tmp_path / "data" / "cohort.csv"))()
    targets = targets_of(cohort, TargetSettings(source="target", positive="died"))
    assert targets.y_true.tolist() == [0, 0, 1, 0, 1]
    assert cohort.cases["patient_id"].nunique() == 4


def test_the_recipes_of_the_lvad_study_read_it(tmp_path: Path, studies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert(studies, tmp_path, "patient_id;died\nMRN-0008;1\nMRN-0007;0\nMRN-0009;0\nMRN-0010;1\n")
    monkeypatch.setenv("LVAD_COHORT", str(tmp_path / "data" / "cohort.csv"))
    recipe = load_recipe(find_recipe("lvad_k2"))
    cohort = read_cohort(recipe.data.build())
    assert targets_of(cohort, recipe.target).y_true.tolist() == [0, 0, 1, 0, 1]
    assert not cohort.phantom


def test_what_does_not_match_is_listed_by_line(tmp_path: Path, studies: Path) -> None:
    table = "patient_id,died\nMRN-0007,0\nMRN-1,0\nMRN-2,1\nMRN-0008,\nMRN-3,0\nMRN-0011,1\nMRN-0009,1\n"
    made = convert(studies, tmp_path, table)
    remarks = "\n".join(made.remarks)
    place = str(tmp_path / "outcomes.csv")
    assert f"3 patients of {place} have no study: lines 3-4, 6" in remarks
    assert f"1 patients of {place} have studies, but no clip that can be used: line 7" in remarks
    assert f"1 clips of 1 patients have no row in {place}: line 6 of conversion.csv" in remarks
    assert f"died is empty: line 5 of {place}" in remarks
    assert "MRN" not in remarks
    assert len(cohort_rows(tmp_path)) == 3
    report = (tmp_path / "data" / "conversion.csv").read_text().splitlines()
    assert report[5].split(",")[0] == made.rows[4].case_id


def test_columns_that_may_identify_a_patient_stay_at_home(tmp_path: Path, studies: Path) -> None:
    table = (
        "PatientID;name;birth_date;mrn;phone;sex;age;died\n"
        "MRN-0007;Quill;1950-02-03;MRN-0007;5550123;f;71;yes\n"
        "MRN-0008;Moss;1951-02-03;MRN-0008;5550124;m;70;no\n"
        "MRN-0009;Reed;1952-02-03;MRN-0009;5550125;m;69;no\n"
        "MRN-0010;Fenn;1953-02-03;MRN-0010;5550126;f;68;yes\n"
    )
    made = convert(studies, tmp_path, table, target="died", columns=("birth_date",))
    rows = cohort_rows(tmp_path)
    assert list(rows[0]) == ["source", "patient_id", "target", "birth_date", "sex", "age"]
    assert [(row["target"], row["sex"], row["age"]) for row in rows[1:3]] == [("yes", "f", "71"), ("no", "m", "70")]
    assert any("name, mrn, phone" in remark for remark in made.remarks)


@pytest.mark.parametrize(
    ("header", "target", "code"),
    [
        ("patient_id,age,died", None, "labels.which_target"),
        ("patient_id,age,died", "dead", "table.missing_column"),
        ("patient_id,target,died", "died", "table.target_twice"),
        ("patient_id,time,event", "patient_id", "table.missing_column"),
    ],
)
def test_the_target_is_never_guessed(tmp_path: Path, studies: Path, header: str, target: str | None, code: str) -> None:
    with refused(code, where="outcomes.csv"):
        convert(studies, tmp_path, f"{header}\nMRN-0007,70,1\nMRN-0008,71,0\n", target=target)
    assert not (tmp_path / "data").exists()


def test_survival_and_measurements_come_along(tmp_path: Path, studies: Path) -> None:
    made = convert(
        studies,
        tmp_path,
        "Patient ID,time,event,EF (%),Split\nMRN-0007,400,0,35,train\nMRN-0008,20,1,61,test\n"
        "MRN-0009,500,0,44,train\nMRN-0010,30,1,20,val\n",
    )
    rows = cohort_rows(tmp_path)
    assert list(rows[0]) == ["source", "patient_id", "ef", "time", "event", "split"]
    assert [row["ef"] for row in rows] == ["35", "35", "61", "44", "20"]
    cohort = Table(table=str(tmp_path / "data" / "cohort.csv"), target="died", horizon=365, covariates=("ef",))()
    assert cohort.cases["died"].tolist() == [0, 0, 1, 0, 1]
    assert cohort.cases["split"].tolist() == ["train", "train", "test", "train", "val"]
    assert made.clips["EF"].tolist() == [35, 35, 61, 44, 20]


def test_leading_zeros_that_a_spreadsheet_dropped(tmp_path: Path) -> None:
    studies = tmp_path / "studies"
    studies.mkdir()
    for index, patient in enumerate(("00123", "0456", "456", "789")):
        write_dicom(studies / f"{index}.dcm", fan_clip(index, 10), PatientID=patient)
    made = convert(studies, tmp_path, "patient_id,died\n123,1\n456,0\n789,1\n")
    rows = cohort_rows(tmp_path)
    assert [row["target"] for row in rows] == ["1", "0", "1"], "0456 may be another patient than 456"
    inexact = [remark for remark in made.remarks if "leading zeros" in remark]
    assert len(inexact) == 1
    assert "line 2 of" in inexact[0]


def test_a_row_about_a_folder_is_about_all_clips_in_it(tmp_path: Path) -> None:
    for index, folder in enumerate(("a", "a/deep", "b")):
        (tmp_path / "studies" / folder).mkdir(parents=True, exist_ok=True)
        write_video(tmp_path / "studies" / folder / f"{index}.avi", fan_clip(index, 10), 30.0)
    table = "source,patient_id,died\nstudies/a,A-1,0\nstudies/b/2.avi,B-2,1\nstudies/c,C-3,1\n"
    made = convert(tmp_path / "studies", tmp_path, table)
    rows = cohort_rows(tmp_path)
    assert [row["target"] for row in rows] == ["0", "0", "1"]
    assert rows[0]["patient_id"] == rows[1]["patient_id"] != rows[2]["patient_id"]
    assert any("1 sources" in remark and "line 4" in remark for remark in made.remarks)


def test_no_label_is_for_predict_only(tmp_path: Path, studies: Path) -> None:
    made = convert_studies([studies], tmp_path / "plain", workers=1)
    assert "for predict only; give --table to train" in repr(made)
    assert made.cohort is None
    assert made.files["status"].tolist() == ["converted"] * 5 + ["left out"]


def test_a_terminal_names_the_files_that_are_left_out(tmp_path: Path, studies: Path) -> None:
    screen = Screen(Console(file=io.StringIO(), force_terminal=True, highlight=False, soft_wrap=True))
    with show_progress_on(screen):
        made = convert_studies([studies], tmp_path / "data", workers=1)
    assert isinstance(screen.console.file, io.StringIO)
    shown = screen.console.file.getvalue()
    assert f"{made.rows[-1].case_id} is {studies / 'short.dcm'}" in shown
    assert shown.count(" is /") == 1


def test_the_command_names_file_and_line(tmp_path: Path, studies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "outcomes.csv"
    asked = ["data", "convert", str(studies), "--to", str(tmp_path / "data"), "--table", str(table)]
    table.write_text("patient_id;ef\nMRN-0007;55\nMRN-0008;0.35\n")
    error = command_error(asked)
    assert (error.code, error.where) == ("labels.ef_fraction", f"{table}: line 3")
    capsys.readouterr()
    table.write_text("patient_id;died\nMRN-0007;0\nMRN-0008;1\n")
    assert exit_code(asked) == 0
    said = capsys.readouterr()
    assert "cohort.csv has 3 clips of 2 patients; died is the target" in said.out
    assert "left out: too short" in said.err
    assert "short.dcm" not in said.err, "what is no terminal may be a log"
    assert command_error([*asked[:5], "--target", "died"]).code == "convert.no_table"
