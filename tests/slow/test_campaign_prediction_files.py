"""Campaign: prediction files of other software, whole and wrong, through `echokit evaluate` and its reader."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echokit.cli import exit_code
from echokit.errors import EchokitError
from echokit.evaluation.files.classes import MISSING
from echokit.evaluation.files.foreign_predictions import read_foreign_predictions
from echokit.evaluation.files.metric_files import read_predictions
from echokit.evaluation.predictions import Predictions
from echokit.system.csv_cells import unguard
from tests.slow.campaign import Campaign

pytestmark = pytest.mark.slow

NAMES = ["a", "-12", "=1+1", "@x", "+y", "NA", "null", "007", "a b", "é", "'=q", "x,y", 'say "z"', "1e5", "İ", "-"]
GOOD = {
    "class": {"died": 1, " died": 1, "Died": 1, "alive": 0, "alive ": 0, "transplanted": 0},
    "binary": {"1": 1, "0": 0, "1.0": 1, "0.0": 0, " 1": 1},
    "score": {"0.5": 0.5, ".25": 0.25, "1": 1.0, "0": 0.0, "1e-3": 1e-3, " 0.75 ": 0.75, "+0.1": 0.1},
    "fold": {"0": 0, "1": 1, "2.0": 2},
}
BAD = {
    "class": [*sorted(MISSING), "NA", "NaN", "NULL", "None", "Unknown"],
    "binary": ["NA", "", "nan", "unknown", "?"],
    "score": ["", "NA", "nan", "inf", "-inf", "0,5", "1_0", "high", "١", "0x1", "9" * 400, "1e999", "--1", "50%"],
    "fold": ["0.5", "", "NA", "x", "1e300", "inf", "-0.1", "9" * 400],
    "id": ["", " "],
    "patient": ["", "NA", "nan", "unknown"],
}
CODES = {
    "class": {"predictions.empty_cell"},
    "binary": {"predictions.empty_cell"},
    "score": {"predictions.bad_number"},
    "fold": {"predictions.bad_number"},
    "id": {"predictions.empty_cell", "predictions.duplicate_case"},
    "patient": {"predictions.empty_cell"},
}


def write(path: Path, rows: list[list[str]], delimiter: str, line_end: str, encoding: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def draw(rng: random.Random, kind: str) -> tuple[list[list[str]], dict[str, list]]:
    """A correct file: its rows, and what has to be read from them."""
    count = rng.randint(2, 12)
    classes = [rng.choice(list(GOOD[kind])) for _ in range(count)]
    classes[:2] = ["died", "alive"] if kind == "class" else ["1", "0"]
    scores = [rng.choice(list(GOOD["score"])) for _ in range(count)]
    folds = [rng.choice(list(GOOD["fold"])) for _ in range(count)]
    names = rng.sample(NAMES, count)
    patients = [f"p{number}" for number in range(count)]
    columns = {"id": names, "label": classes, "prob": scores, "fold": folds, "patient": patients, "prediction": scores}
    order = rng.sample(list(columns), len(columns))
    expected = {
        "case_id": [unguard(name) for name in names],  # an apostrophe before a formula is a mark
        "y_true": [GOOD[kind][text] for text in classes],
        "y_score": [GOOD["score"][text] for text in scores],
        "fold": [GOOD["fold"][text] for text in folds],
    }
    return [order, *(list(row) for row in zip(*(columns[name] for name in order), strict=True))], expected


def test_prediction_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng, campaign, path = random.Random(8), Campaign("foreign prediction files"), tmp_path / "p.csv"
    for number in range(150):
        kind = rng.choice(["class", "binary"])
        rows, expected = draw(rng, kind)
        form = rng.choice(",;\t"), rng.choice(["\n", "\r\n"]), rng.choice(["utf-8", "utf-8-sig"])
        options = {"positive": "died"} if kind == "class" else {}
        write(path, rows, *form)
        with campaign.attempt(f"correct file {number}: {rows}"):
            read = read_foreign_predictions(path, **options).predictions.table
            for column, values in expected.items():
                assert read[column].tolist() == values, column
        column = rng.choice(list(BAD))
        column = kind if column in ("class", "binary") else column
        place, row = rows[0].index({kind: "label", "score": "prob"}.get(column, column)), rng.randrange(1, len(rows))
        cell = rng.choice(BAD[column])
        before, rows[row][place] = rows[row][place], cell
        if len({line[place] for line in rows[1:]}) == 1:  # nothing but missing values is another mistake
            rows[row][place] = before
            continue
        write(path, rows, *form)
        with campaign.attempt(f"{cell!r} as {column} in file {number}"):
            code = exit_code(["evaluate", str(path), *(f"--positive={value}" for value in options.values())])
            output = capsys.readouterr()
            assert (code, "Traceback" in output.err) == (2, False), output
            with pytest.raises(EchokitError) as caught:
                read_foreign_predictions(path, **options)
            assert caught.value.code in CODES[column], caught.value.code
            assert str(caught.value.where).endswith(f"p.csv:{row + 1}"), (caught.value.where, row + 1)
    for name, content, code in damaged_files():
        path.write_bytes(content)
        with campaign.attempt(name):
            ended = exit_code(["evaluate", str(path), "--json"])
            output = capsys.readouterr()
            assert (ended, "Traceback" in output.err) == (code, False), output.err[-300:]
            if code == 0:
                assert json.loads(output.out)
    campaign.finish(250)


def damaged_files() -> list[tuple[str, bytes, int]]:
    """Whole files, each with its exit code."""
    body = "id,label,prob\na,1,.9\nb,0,.2\nc,1,.7\n"
    columns = "case_id,patient_id,split,repeat,fold,y_true,y_score"
    return [
        ("as it should be", body.encode(), 0),
        ("empty", b"", 2),
        ("blank", b"\n\n\n", 2),
        ("header only", b"id,label,prob\n", 2),
        ("header of a run only", columns.encode() + b"\n", 2),
        ("UTF-16", body.encode("utf-16"), 0),
        ("Latin-1", body.replace("a,1", "\xe9,1").encode("latin-1"), 2),
        ("NUL", body.replace("b", "\0").encode(), 2),
        ("a video", bytes(range(256)) * 40, 2),
        ("an open quote", body.replace("b,", '"b,').encode(), 2),
        ("a huge cell", body.replace("b,", "b" * 200_000 + ",").encode(), 0),
        ("a row too long", body.replace(".2", ".2,1,2").encode(), 2),
        ("a row too short", body.replace(",.2", "").encode(), 2),
        ("two header lines", ("id,label,prob\n" + body).encode(), 2),
        ("no header", body.split("\n", 1)[1].encode(), 2),
        ("the same column twice", body.replace("id,", "prob,").encode(), 2),
        ("one class", body.replace("b,0", "b,1").encode(), 0),
        ("one row", b"id,label,prob\na,1,.9\n", 0),
        ("three classes without a positive one", body.replace("b,0", "b,2").encode(), 2),
        ("repeated ids", body.replace("b,", "a,").encode(), 2),
        ("text in an unused prediction", b"label,prob,prediction\n1,.9,yes\n0,.2,no\n", 0),
        ("text in an unused target", b"label,prob,target\n1,.9,yes\n0,.2,\n", 0),
        ("text in both", b"label,prob,target,prediction\n1,.9,a,b\n0,.2,c,d\n", 0),
        ("usual names in use for others", b"y_true,label,y_score,prob\n1,x,.9,y\n0,x,.2,y\n", 0),
        ("unknown split", b"label,prob,split\n1,.9,hold-out\n0,.2,test\n", 2),
        ("a patient of two classes", b"label,prob,patient\n1,.9,p\n0,.2,p\n", 2),
        ("several thresholds", b"label,prob,threshold\n1,.9,.4\n0,.2,.5\n", 2),
        ("a threshold that is no number", b"label,prob,threshold\n1,.9,high\n0,.2,high\n", 2),
        ("half a fold", b"label,prob,fold\n1,.9,0.5\n0,.2,0\n", 2),
        ("logits", b"label,prob\n1,3.5\n0,-2\n", 0),
        ("percent", b"label,prob\n1,90\n0,20\n", 0),
        ("equal scores", b"label,prob\n1,.5\n0,.5\n1,.5\n", 0),
        ("a clip of EchoNet twice", b"0X1.avi,0,50\n0X1.avi,0,60\n", 2),
        ("a broken line of EchoNet", b"0X1.avi,0,50\n0X1.avi,1,50\n0X2.avi,high\n", 2),
    ]


@settings(max_examples=300, deadline=None)
@given(content=st.text(st.sampled_from("idlabeprob01.,;\t\n\r\"'=-NA "), max_size=60))
def test_no_text_after_a_header_is_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    path = tmp_path_factory.getbasetemp() / "wild.csv"
    path.write_text("id,label,prob\n" + content, encoding="utf-8", newline="")
    try:
        table = read_foreign_predictions(path).predictions.table
    except EchokitError:
        return
    assert set(table["y_true"]) <= {0, 1}
    assert table["y_score"].between(-1e308, 1e308).all()
    assert not table.duplicated(["case_id", "split", "repeat", "fold"]).any()


@settings(max_examples=200, deadline=None)
@given(names=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, unique=True))
def test_any_name_comes_back_from_predictions(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    names = [name for name in names if name.strip()] or ["a"]
    path = tmp_path_factory.getbasetemp() / "names.csv"
    table = pd.DataFrame({"case_id": names, "patient_id": names, "split": "test", "repeat": 0, "fold": 0})
    Predictions(table.assign(y_true=0, y_score=1 / 3)).write(path)
    assert read_predictions(path).table["case_id"].tolist() == names


def test_small_and_extreme_files_are_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Any file that is read is also evaluated, however few its rows and however odd its scores."""
    rng, campaign, path = random.Random(21), Campaign("small and extreme prediction files"), tmp_path / "p.csv"
    pools = [["0", "1"], ["0.5"], ["0", "1", "0.5"], ["-1e308", "1e308"], ["5e-324", "0", "1"], ["-3", "0.2", "40"]]
    for number in range(150):
        count, pool = rng.choice([1, 2, 3, 5, 30]), rng.choice(pools)
        rows = [["id", "patient", "label", "prob", "fold", "split", "sex"]]
        for case in range(count):
            label = rng.choice("01") if number % 5 else "1"
            fold, split = str(rng.randrange(1 + number % 3)), rng.choice(["test", "test", "train"])
            rows.append([f"c{case}", f"p{case}", label, rng.choice(pool), fold, split, rng.choice("MF")])
        write(path, rows, ",", "\n", "utf-8")
        options = [*(["--by", "sex"] if number % 2 else []), *(["--json"] if number % 4 == 0 else [])]
        with campaign.attempt(f"file {number}, {options}: {rows}"):
            code = exit_code(["evaluate", str(path), *options])
            output = capsys.readouterr()
            assert (code, "Traceback" in output.err) == (0, False), output.err[-300:]
            assert not re.search(r"\bnan\b", output.out)
            for row in json.loads(output.out) if "--json" in options else []:
                assert row["p"] is None or 0 <= row["p"] <= 1, row
                assert row["value"] is not None or row["interval"], row
    campaign.finish(150)
