"""Predictions of other programs, read and evaluated by `echokit evaluate`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from echokit.cli import exit_code
from echokit.evaluation.files.foreign_predictions import read_echonet_predictions, read_foreign_predictions
from tests.expect import refused

CSV = "id,label,score\na,died,0.9\nb,alive,0.2\nc,alive,0.4\nd,died,0.35\ne,alive,.1\n"


def run(capsys, *arguments):
    code = exit_code(list(map(str, arguments)))
    output = capsys.readouterr()
    return code, output.out, output.err


def test_foreign_predictions_are_evaluated_with_their_columns(tmp_path, capsys):
    file = tmp_path / "p.csv"
    file.write_text(CSV)
    code, out, _ = run(capsys, "evaluate", file, "--positive", "died")
    assert code == 0
    assert "label as y_true, score as y_score, id as case_id" in out
    assert "--patient COLUMN" in out
    assert "0.833" in out
    assert "PHANTOM" not in out
    code, out, _ = run(capsys, "evaluate", file, "--positive", "died", "--metric", "auroc", "--json")
    (row,) = json.loads(out)
    assert (row["metric"], row["n"], row["events"]) == ("auroc", 5, 2)
    assert "'died'" in row["definition"]


@pytest.mark.parametrize(
    ("text", "options", "code", "names"),
    [
        (CSV, {}, "predictions.unknown_positive", "alive, died"),
        (CSV, {"positive": "dead"}, "predictions.unknown_positive", "'dead'"),
        (CSV.replace("label", "x"), {}, "predictions.missing_column", "y_true"),
        (CSV, {"columns": {"y_true": "lable"}}, "predictions.missing_column", "'label'"),
        (CSV.replace("died,0.9", ",0.9"), {"positive": "died"}, "predictions.empty_cell", "1 case: a"),
        (CSV.replace("0.35", "nan"), {"positive": "died"}, "predictions.bad_number", "1 case: d"),
        (CSV.replace("0.35", "high"), {"positive": "died"}, "predictions.bad_number", "1 case: d"),
        ("", {}, "file.empty", ""),
    ],
)
def test_invalid_predictions_are_refused(tmp_path, text, options, code, names):
    file = tmp_path / "p.csv"
    file.write_text(text)
    with refused(code) as caught:
        read_foreign_predictions(file, **options)
    assert names in str(caught.value)


@pytest.mark.parametrize(
    ("text", "options", "name"),
    [
        (CSV, [], "alive, died"),
        (CSV, ["--positive", "died", "--true", "lable"], "'label'"),
        (CSV, ["--positive", "died", "--by", "sex"], "'sex'"),
        (CSV, ["--positive", "died", "--metric", "aurocs"], "'auroc'"),
        ("0X1.avi,0,55.1\n0X2.avi,0,44\n", [], "--truth FileList.csv"),
    ],
)
def test_the_command_ends_with_one_error_and_no_traceback(tmp_path, capsys, text, options, name):
    file = tmp_path / "p.csv"
    file.write_text(text)
    code, _, err = run(capsys, "evaluate", file, *options)
    assert code == 2
    assert name in err
    assert "Traceback" not in err


def test_the_phantom_mark_of_a_run_stays(tmp_path, capsys):
    file = tmp_path / "p.csv"
    file.write_text("case_id,y_true,y_score,data\na,1,.9,PHANTOM DATA\nb,0,.1,PHANTOM DATA\n")
    assert run(capsys, "evaluate", file)[1].startswith("PHANTOM DATA")
    rows = json.loads(run(capsys, "evaluate", file, "--json")[1])
    assert {row["data"] for row in rows} == {"PHANTOM DATA"}


def test_predictions_of_echonet_dynamic_are_averaged_per_video(tmp_path, capsys):
    predictions, truth = tmp_path / "test_predictions.csv", tmp_path / "FileList.csv"
    predictions.write_text("0X1.avi,0,54.0\n0X1.avi,1,58.0\n0X2.avi,0,50.0\n0X3.avi,0,61.0\n")
    truth.write_text("FileName,EF,Split\n0X1,55,TEST\n0X2,44,TEST\n0X3,60,TEST\n0X4,20,TRAIN\n")
    code, out, _ = run(capsys, "evaluate", predictions, "--truth", truth, "--json")
    assert code == 0
    rows = {row["metric"]: row for row in json.loads(out)}
    assert rows["mae"]["value"] == pytest.approx((1 + 6 + 1) / 3)
    assert rows["auroc"]["value"] == 1.0
    assert rows["sensitivity"]["value"] == 0.0  # an estimate of exactly 50 is not below 50
    assert rows["mae"]["n"] == 3
    truth.write_text("FileName,EF,Split\n0X1,55,TEST\n0X3,60,TEST\n")
    code, _, err = run(capsys, "evaluate", predictions, "--truth", truth)
    assert (code, "0X2" in err) == (2, True)
    with refused("truth.missing_case", where="FileList.csv"):
        read_echonet_predictions(predictions, truth)


def rows_of(path: Path, scale: float = 1.0, delimiter: str = ",") -> Path:
    lines = [delimiter.join(("case_id", "label", "score", "site"))]
    lines += [
        delimiter.join((f"c{number}", str(number % 2), f"{scale * (0.2 + number % 2 * 0.5):g}", f"s{number % 3}"))
        for number in range(60)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_of_spreadsheets_are_detected(tmp_path: Path, delimiter: str) -> None:
    read = read_foreign_predictions(rows_of(tmp_path / "scores.csv", delimiter=delimiter))
    assert read.predictions.table["y_true"].sum() == 30


def test_percent_scores_without_a_threshold_get_a_note(tmp_path: Path) -> None:
    read = read_foreign_predictions(rows_of(tmp_path / "scores.csv", scale=100))
    assert "60 of 60" in read.notes[-1]
    assert "--threshold" in read.notes[-1]
    assert not any("60 of 60" in note for note in read_foreign_predictions(tmp_path / "scores.csv", threshold=50).notes)


def test_a_column_of_names_gives_no_subgroups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(rows_of(tmp_path / "scores.csv"))
    assert exit_code(["evaluate", path, "--by", "case_id"]) == 2
    assert "60 values" in capsys.readouterr().err
    assert exit_code(["evaluate", path, "--by", "site", "--metric", "auroc"]) == 0


OUTCOMES = "outcome,prob\ndied,.9\nalive,.2\n{},.8\n\nalive,.7\n{},.4\nalive,.1\n"
MISSING = ["NA", "NaN", "nan", "null", "NULL", "None", "unknown", "Unknown", "", " ", "?", "#N/A", "<NA>", "missing"]


@pytest.mark.parametrize("cell", MISSING)
@pytest.mark.parametrize("positive", ["died", None])
def test_missing_outcomes_are_refused_with_their_lines(tmp_path: Path, cell: str, positive: str | None) -> None:
    file = tmp_path / "x.csv"
    file.write_text(OUTCOMES.format(cell, "died"))
    with refused("predictions.empty_cell", where="x.csv:4", names=("line 4", repr(cell.strip()))):
        read_foreign_predictions(file, positive=positive)
    file.write_text(OUTCOMES.format("died", cell))
    with refused("predictions.empty_cell", where="x.csv:7", names=("line 7",)):
        read_foreign_predictions(file, positive=positive)


def test_missing_outcomes_among_numbers_are_refused(tmp_path: Path) -> None:
    for header in ("label,prob", "case_id,patient_id,split,repeat,fold,y_true,y_score"):
        file = tmp_path / "x.csv"
        ids = "" if header.startswith("label") else "c{0},c{0},test,0,0,"
        rows = [f"{ids.format(number)}{label},.5" for number, label in enumerate(("1", "0", "NA"))]
        file.write_text("\n".join([header, *rows]) + "\n")
        with refused("predictions.empty_cell", where="x.csv:4", names=("line 4",)):
            read_foreign_predictions(file)


def test_what_became_negative_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.csv"
    file.write_text(OUTCOMES.format("transplanted", "Died"))
    read = read_foreign_predictions(file, positive="died")
    assert read.predictions.y_true.tolist() == [1, 0, 0, 0, 1, 0]
    assert "positive: Died (1), died (1); negative: alive (3), transplanted (1)" in read.notes
    assert (
        run(capsys, "evaluate", file, "--positive", "died", "--metric", "auroc", "--json")[2].count("transplanted") == 1
    )


def test_named_negative_classes_exclude_every_other(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text(OUTCOMES.format("transplanted", "died"))
    with refused("predictions.unknown_class", where="x.csv:4", names=("line 4 ('transplanted')",)):
        read_foreign_predictions(file, positive="died", negative=["alive"])
    file.write_text(OUTCOMES.format("none", "unknown"))
    read = read_foreign_predictions(file, positive="died", negative=["alive", "none", "unknown"])
    assert read.predictions.y_true.tolist() == [1, 0, 0, 0, 0, 0]


def test_a_class_is_the_same_in_other_writing(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("label,prob\n1,.9\n1.0,.8\n0,.2\n0.0,.1\n")
    assert read_foreign_predictions(file, positive="1").predictions.y_true.tolist() == [1, 1, 0, 0]
    assert read_foreign_predictions(file, positive="0").predictions.y_true.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("header", ["label,prob,prediction", "label,prob,target", "y_true,y_score,prediction"])
def test_unused_columns_of_other_meaning_are_noted(tmp_path: Path, header: str, capsys) -> None:
    file = tmp_path / "x.csv"
    file.write_text(header + "\n1,.9,yes\n0,.2,no\n1,.4,no\n0,.6,\n")
    read = read_foreign_predictions(file)
    assert any(header.split(",")[2] in note and "not used" in note for note in read.notes)
    assert run(capsys, "evaluate", file)[0] == 0


def test_a_requested_column_replaces_the_usual_one(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("y_true,y_score,died,risk\n1,.1,0,.9\n0,.2,1,.8\n")
    read = read_foreign_predictions(file, columns={"y_true": "died", "y_score": "risk"})
    assert read.predictions.y_true.tolist() == [0, 1]
    assert read.predictions.y_score.tolist() == [0.9, 0.8]


@pytest.mark.parametrize("number", ["0.5", "nan", "inf", "x", "", "1e300", "1_0"])
@pytest.mark.parametrize("column", ["fold", "repeat"])
def test_a_fold_is_a_whole_number(tmp_path: Path, column: str, number: str) -> None:
    file = tmp_path / "x.csv"
    file.write_text(f"id,label,prob,{column}\na,1,.9,0\nb,0,.2,{number}\n")
    with refused("predictions.bad_number", where="x.csv:3", names=(column, "1 case: b")):
        read_foreign_predictions(file)


def test_repeated_ids_are_refused_and_not_averaged(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("id,label,prob\na,1,.9\nb,0,.2\na,1,.1\n")
    with refused("predictions.duplicate_case", where="x.csv:4", names=("1 case: a",)):
        read_foreign_predictions(file)
    named = read_foreign_predictions(file, columns={"patient_id": "id"}).predictions
    assert len(named) == 3
    assert len(named.per_patient()) == 2
    file.write_text("id,label,prob,fold\na,1,.9,0\na,1,.2,1\n")
    assert len(read_foreign_predictions(file).predictions) == 2


def test_the_threshold_of_the_file_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.csv"
    file.write_text("label,prob,threshold\n1,.3,.25\n0,.2,.25\n1,.4,.25\n0,.1,.25\n")
    assert read_foreign_predictions(file).predictions.threshold == 0.25
    assert read_foreign_predictions(file, threshold=0.5).predictions.threshold == 0.5
    (row,) = json.loads(run(capsys, "evaluate", file, "--metric", "accuracy", "--json")[1])
    assert (row["value"], row["threshold"]) == (1.0, 0.25)
    file.write_text("label,prob,threshold\n1,.3,.25\n0,.2,.5\n")
    with refused("predictions.many_thresholds"):
        read_foreign_predictions(file)
    assert read_foreign_predictions(file, threshold=0.5).predictions.threshold == 0.5


def test_a_file_with_a_header_only_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.csv"
    for text in ("id,label,prob\n", "id,label,prob", "case_id,patient_id,split,repeat,fold,y_true,y_score\n"):
        file.write_text(text)
        with refused("predictions.empty", where="x.csv"):
            read_foreign_predictions(file)
        assert run(capsys, "evaluate", file)[0] == 2


def test_missing_patients_are_not_one_patient(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("id,patient,label,prob\na,P1,1,.9\nb,NA,0,.2\nc,NA,0,.2\n")
    with refused("predictions.empty_cell", where="x.csv:3", names=("line 3", "line 4")):
        read_foreign_predictions(file)


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("label,prob, prob\n1,.9,.1\n0,.2,.8\n")
    with refused("table.duplicate_column", names=("'prob'",)):
        read_foreign_predictions(file)


def test_clips_of_echonet_dynamic_are_given_once(tmp_path: Path) -> None:
    predictions, truth = tmp_path / "test_predictions.csv", tmp_path / "FileList.csv"
    predictions.write_text("0X1.avi,0,54.0\n0X2.avi,0,50.0\n0X1.avi,0,58.0\n")
    truth.write_text("FileName,EF,Split\n0X1,55,TEST\n0X2,44,TEST\n")
    with refused("predictions.duplicate_case", where="test_predictions.csv:3", names=("0X1",)):
        read_echonet_predictions(predictions, truth)
    predictions.write_text("0X1.avi,0,54.0\n0X2.avi,0,50.0\n")
    truth.write_text("FileName,EF,Split\n0X1,55,TEST\n0X2,44,TEST\n0X1,35,TEST\n")
    with refused("truth.duplicate_case", names=("0X1",)):
        read_echonet_predictions(predictions, truth)


@pytest.mark.parametrize(
    "options",
    [
        ["--seed", "-1"],
        ["--threshold", "nan"],
        ["--below", "nan"],
        ["--truth", "none.csv"],
        ["--metric", "subgroups"],
        ["--by", "nothing"],
    ],
)
def test_invalid_options_end_with_one_error(tmp_path: Path, capsys, options: list[str]) -> None:
    code, _, err = run(capsys, "evaluate", rows_of(tmp_path / "scores.csv"), *options)
    assert code == 2
    assert "Traceback" not in err


def test_subgroups_have_the_names_of_their_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "evaluate", rows_of(tmp_path / "scores.csv"), "--by", "site", "--json")
    names = {(row["metric"], row["subgroup"]) for row in json.loads(out)}
    assert {("auroc", None), ("auroc", "site = s0"), ("sensitivity", "site = s2")} <= names
    assert not any(name.endswith("_11") for name, _ in names)
