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
