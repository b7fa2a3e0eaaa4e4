"""Granularity test of published tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from echokit.cli import exit_code
from echokit.errors import DataError
from echokit.evaluation.published.audit_table import audit_table
from echokit.evaluation.published.granularity import check_accuracy
from tests.expect import refused

REFERENCE = Path(__file__).parents[2] / "benchmarks" / "reference"


def test_the_published_table_is_possible_with_the_sample_sd_only(capsys):
    table = str(REFERENCE / "stage2_published.csv")
    assert exit_code(["audit", table, "--n", "34", "--events", "7", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
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
def test_verdicts_of_single_rows(given, verdicts):
    result = check_accuracy(*given)
    assert (result.mean, result.sd) == verdicts


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("k,accuracy\n5,0.7\n", "table.missing_column", "t.csv"),
        ("n,events,k,accuracy\n34,7,5,70%\n", "table.bad_number", "t.csv:2"),
        ("n,events,k,accuracy\n34,7,50,0.7\n", "table.bad_number", "t.csv:2"),
    ],
)
def test_invalid_tables_are_refused(tmp_path, text, code, place):
    file = tmp_path / "t.csv"
    file.write_text(text)
    with refused(code, where=place):
        audit_table(file)
    with refused("file.missing", where="absent.csv"):
        audit_table(tmp_path / "absent.csv")


def test_a_row_longer_than_the_header_is_refused(tmp_path, capsys):
    file = tmp_path / "t.csv"
    file.write_text("n,events,k,accuracy\n34,7,5,0.7,\n")
    with pytest.raises(DataError) as caught:
        audit_table(file)
    assert caught.value.where.endswith("t.csv:2")
    assert exit_code(["audit", str(file)]) == 2
    assert "t.csv:2" in capsys.readouterr().err
