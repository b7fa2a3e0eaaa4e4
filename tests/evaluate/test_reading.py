"""Predictions of anybody and published tables, through the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from echokit.cli import exit_code
from echokit.evaluate.anybody import read_anybody
from echokit.evaluate.granularity import check_accuracy

REFERENCE = Path(__file__).parents[2] / "benchmarks" / "reference"
CSV = "id,label,score\na,died,0.9\nb,alive,0.2\nc,alive,0.4\nd,died,0.35\ne,alive,.1\n"


def run(capsys, *arguments):
    code = exit_code(list(map(str, arguments)))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_anybodys_predictions_are_evaluated_and_what_was_assumed_is_said(tmp_path, capsys):
    file = tmp_path / "p.csv"
    file.write_text(CSV)
    code, out, _ = run(capsys, "evaluate", file, "--positive", "died")
    assert code == 0
    assert "taken: label as y_true, score as y_score, id as case_id" in out
    assert "every row counts as a patient of its own" in out
    assert "0.833" in out
    assert "PHANTOM" not in out
    code, out, _ = run(capsys, "evaluate", file, "--positive", "died", "--metric", "auroc", "--json")
    (row,) = json.loads(out)
    assert (row["metric"], row["n"], row["events"]) == ("auroc", 5, 2)
    assert "'died'" in row["definition"]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (CSV, [], "the classes are alive, died: which one is positive?"),
        (CSV, ["--positive", "dead"], "no class is 'dead'"),
        (CSV.replace("label", "x"), [], "no column looks like y_true"),
        (CSV, ["--positive", "died", "--true", "lable"], "did you mean 'label'"),
        (CSV.replace("0.35", "nan"), ["--positive", "died"], "not a finite number for 1 cases: d"),
        (CSV.replace("0.35", "high"), ["--positive", "died"], "not a finite number for 1 cases: d"),
        ("", [], "the file is empty"),
        (CSV, ["--positive", "died", "--by", "sex"], "no covariate 'sex'"),
        (CSV, ["--positive", "died", "--metric", "aurocs"], "did you mean 'auroc'"),
        ("0X1.avi,0,55.1\n0X2.avi,0,44\n", [], "--truth FileList.csv"),
    ],
)
def test_what_can_not_be_evaluated_is_one_error_without_a_traceback(tmp_path, capsys, text, options, said):
    file = tmp_path / "p.csv"
    file.write_text(text)
    code, _, err = run(capsys, "evaluate", file, *options)
    assert code == 2
    assert said in err


def test_the_stamp_of_a_phantom_run_stays(tmp_path, capsys):
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
    assert (code, "1 videos have no true EF: 0X2" in err) == (2, True)


def test_the_published_table_can_arise_and_only_with_the_sample_sd(capsys):
    code, out, _ = run(capsys, "audit", REFERENCE / "stage2_published.csv", "--n", 34, "--events", 7, "--json")
    assert code == 0
    rows = json.loads(out)
    assert [row["k"] for row in rows] == [7, 5, 3, 2]
    assert {row["result"]["sd"] for row in rows} == {"possible"}
    assert {row["result"]["population_sd"] for row in rows} == {"impossible"}
    assert all(row["result"]["baseline"] == pytest.approx(27 / 34) for row in rows)


@pytest.mark.parametrize(
    ("given", "verdicts"),
    [
        ((34, 7, 7, "0.701", "0.173"), ("impossible", "impossible")),
        ((34, 7, 5, "0.733", "0.020"), ("possible", "impossible")),
        ((10, 5, 2, "0.5", None), ("possible", None)),
        ((1277, 285, 10, "0.866", "0.012"), ("too fine to test", "too fine to test")),
    ],
)
def test_granularity(given, verdicts):
    result = check_accuracy(*given)
    assert (result.mean, result.sd) == verdicts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("k,accuracy\n5,0.7\n", "the column n is missing"),
        ("n,events,k,accuracy\n34,7,5,0.7,\n", "t.csv:2: the row has 5 cells, the header 4"),
        ("n,events,k,accuracy\n34,7,5,70%\n", "t.csv:2: the row can not be tested"),
        ("n,events,k,accuracy\n34,7,50,0.7\n", "50 folds of 34 patients"),
    ],
)
def test_a_table_that_can_not_be_audited_says_why(tmp_path, capsys, text, said):
    file = tmp_path / "t.csv"
    file.write_text(text)
    code, _, err = run(capsys, "audit", file)
    assert code == 2
    assert said in err


def rows_of(path: Path, scale: float = 1.0, delimiter: str = ",") -> Path:
    lines = [delimiter.join(("case_id", "label", "score", "site"))]
    lines += [
        delimiter.join((f"c{number}", str(number % 2), f"{scale * (0.2 + number % 2 * 0.5):g}", f"s{number % 3}"))
        for number in range(60)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_predictions_as_spreadsheets_write_them(tmp_path: Path, delimiter: str) -> None:
    found = read_anybody(rows_of(tmp_path / "scores.csv", delimiter=delimiter))
    assert found.predictions.table["y_true"].sum() == 30


def test_a_threshold_for_probabilities_is_told_where_scores_are_percent(tmp_path: Path) -> None:
    found = read_anybody(rows_of(tmp_path / "scores.csv", scale=100))
    assert "from 20 to 70" in found.notes[-1]
    assert "60 of 60 rows are called positive; give --threshold" in found.notes[-1]
    assert not any("60 of 60" in note for note in read_anybody(tmp_path / "scores.csv", threshold=50).notes)


def test_names_are_no_subgroups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(rows_of(tmp_path / "scores.csv"))
    assert exit_code(["evaluate", path, "--by", "case_id"]) == 2
    assert "'case_id' has 60 values" in capsys.readouterr().err
    assert exit_code(["evaluate", path, "--by", "site", "--metric", "auroc"]) == 0
