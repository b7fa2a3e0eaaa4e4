"""Cells that a spreadsheet would run: no table that echokit writes has one, and every reader gets the text back."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import echokit
from echokit.data.cohort.table_rows import read_rows
from echokit.data.cohort.text_table import read_text_table
from echokit.evaluation.files.metric_files import read_predictions
from echokit.evaluation.predictions import Predictions
from echokit.results.run import Run, write_table
from echokit.system.csv_cells import csv_text, guard, unguard, unguarded, write_rows
from tests.seal import reseal

WILD = [
    "=1+1",
    "=HYPERLINK(A1)",
    "+cmd",
    "-12",
    "-12-3",
    "@SUM(A1)",
    "\t=1",
    "'=1",
    "''-x",
    "'a",
    "NA",
    "007",
    "a",
    "-",
    "1e5",
]
texts = st.text(st.sampled_from("=+-@'\t\r 1e.,\"aN;"), max_size=6)


def runs_as_formula(cell: str) -> bool:
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", cell):
        return False
    return cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@given(text=texts)
def test_a_guarded_text_is_no_formula_and_comes_back(text: str) -> None:
    assert not runs_as_formula(guard(text))
    assert unguard(guard(text)) == text


@pytest.mark.parametrize("number", [-1.5, -3, None, float("-inf"), True])
def test_numbers_stay_numbers(number: object) -> None:
    assert guard(number) is number
    assert guard("-0.25") == "-0.25"
    assert guard("-1e-05") == "-1e-05"


@given(rows=st.lists(st.lists(texts, min_size=2, max_size=2), min_size=1, max_size=5))
def test_rows_come_back_exactly(rows: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    write_rows(file, rows)
    read = list(csv.reader(io.StringIO(file.getvalue(), newline="")))
    assert not any(runs_as_formula(cell) for row in read for cell in row)
    assert [[unguard(cell) for cell in row] for row in read] == rows


@given(cells=st.lists(texts.filter(bool), min_size=1, max_size=5))
def test_tables_come_back_exactly(cells: list[str]) -> None:
    table = pd.DataFrame({"=id": cells, "n": range(len(cells)), "flag": [None, *[True] * (len(cells) - 1)]})
    text = csv_text(table)
    for row in csv.reader(io.StringIO(text, newline="")):
        assert not any(map(runs_as_formula, row))
    read = unguarded(pd.read_csv(io.StringIO(text, newline=""), dtype=str, keep_default_na=False))
    assert read["=id"].tolist() == cells


def test_a_carriage_return_begins_no_row() -> None:
    assert csv_text(pd.DataFrame({"a": ["x\r=1+1"]})) == 'a\n"x\r=1+1"\n'


def test_a_table_without_formulas_is_written_as_pandas_does() -> None:
    table = pd.DataFrame(
        {
            "case_id": ["a", "-12", "it's, so"],
            "y": [-0.5, float("nan"), 0.1 + 0.2],
            "big": [1e22, 1e-7, float("-inf")],
            "n": [1, 2, -3],
            "flag": [None, True, False],
            "note": [None, "", 'a "b"'],
        }
    )
    assert csv_text(table) == table.to_csv(index=False, lineterminator="\n")


def predictions(names: list[str]) -> pd.DataFrame:
    table = pd.DataFrame({"case_id": names, "patient_id": names, "split": "test", "repeat": 0, "fold": 0})
    return table.assign(y_true=[i % 2 for i in range(len(names))], y_score=-0.25)


def test_predictions_with_wild_names_come_back_exactly(tmp_path: Path) -> None:
    Predictions(predictions(WILD)).write(tmp_path / "p.csv")
    assert read_predictions(tmp_path / "p.csv").table["case_id"].tolist() == WILD
    with (tmp_path / "p.csv").open(newline="") as file:
        assert not any(runs_as_formula(cell) for row in csv.reader(file) for cell in row)


def test_tables_of_a_run_with_wild_names_come_back_exactly(tmp_path: Path) -> None:
    write_table(predictions(WILD).assign(note="=2"), tmp_path / "predictions.csv", "PHANTOM DATA")
    read = Run(reseal(tmp_path, "predictions.csv")).predictions
    assert read["case_id"].tolist() == read["patient_id"].tolist() == WILD
    assert set(read["note"]) == {"=2"}
    assert set(read["y_score"]) == {-0.25}


def test_tables_of_users_come_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", newline="") as file:
        write_rows(file, [["=name", "value"], ["=x", "-1"], ["'@x", "+y"]])
    assert read_text_table(path).to_dict("list") == {"=name": ["=x", "'@x"], "value": ["-1", "+y"]}
    assert [dict(row) for row in read_rows(path).rows] == [
        {"=name": "=x", "value": "-1"},
        {"=name": "'@x", "value": "+y"},
    ]


def test_every_writer_of_the_package_guards_its_cells() -> None:
    """A new writer has to use this module: csv.writer and to_csv stand nowhere else."""
    root = Path(echokit.__file__).parent
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != "csv_cells.py":
            assert "csv.writer(" not in text, path
            assert "DictWriter(" not in text, path
        assert ".to_csv(" not in text, path
