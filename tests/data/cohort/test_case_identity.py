"""Patient identifiers stay in the table, its paths and one private file: no run, error or list repeats them."""

import csv
import io
import os
import re
from pathlib import Path

import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.data.cohort.pseudonyms import pseudonym, record_sources
from echokit.phantom.write_table import NAMES, write_table
from tests.expect import refused

RECIPE = """
name: hospital
data: {{use: table, table: {table}, covariates: [age, sex], max_unreadable: 0.2}}
target: {{from: target, positive: reduced}}
preprocess: [{{use: trim, frames: 12}}, {{use: resize, size: 16}}]
clip: {{frames: 12}}
model: {{use: single_stream, backbone: {{use: resnet18, width: 4}}}}
train: {{epochs: 1, batch_size: 4, optimizer: {{lr: 1.0e-3}}, keep: last}}
"""
SECRETS = (*NAMES, "MRN", "visit")


def test_no_run_of_a_table_names_a_patient(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "data"
    write_table(root, cases=24, seed=1, ef="wide", size=32, frames=(20, 24), workers=1)
    broken = next((root / "clips").glob("*/*.avi"))
    broken.write_bytes(b"RIFF\0\0\0\0AVI ")
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(table=root / "cases.csv"))
    assert exit_code(["run", str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "runs")]) == 0
    screen = capsys.readouterr()
    run = load_run(tmp_path / "runs" / "hospital")
    assert run.predictions["case_id"].str.startswith("case-").all()
    assert "PHANTOM DATA" in (run.path / "summary.md").read_text()
    texts = [screen.out, screen.err]
    for path in run.path.rglob("*"):
        assert not any(secret in path.name for secret in SECRETS)
        if path.is_file() and path.suffix not in (".png", ".safetensors"):
            texts.append(path.read_text(errors="replace"))
    for text in texts:
        assert not [secret for secret in SECRETS if secret in text]
    assert re.search(rf"case-\w+ \({root / 'cases.csv'}:\d+\)", screen.err)


def test_concurrent_processes_create_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    children = []
    for child in range(6):
        if not (pid := os.fork()):
            (tmp_path / f"name-{child}").write_text(pseudonym("case", "one"))
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 6
    assert {path.read_text() for path in tmp_path.glob("name-*")} == {pseudonym("case", "one")}
    key = tmp_path / "cache" / "pseudonym.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.write_bytes(b"")
    with refused("identity.damaged_key", where=key.name):
        pseudonym("case", "one")


def test_concurrent_processes_record_all_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path / "cache"))
    children = []
    for child in range(4):
        if not (pid := os.fork()):
            for number in range(10):
                record_sources([(f"case-{child}-{number}", "patient", Path(f"/data/{child}/{number}.avi"))])
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
    lines = (tmp_path / "cache" / "sources.csv").read_text().splitlines()
    assert len(lines) == 41
    assert len(set(lines)) == 41


def test_sources_keep_wild_names_however_often_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path / "cache"))
    names = ["=1+1", "-12", "'=2", "@x", "+y\r=3"]
    for number in range(3):
        record_sources([(name, name, tmp_path / name) for name in names])
        record_sources([(f"new-{number}", "", tmp_path / "new")])
    text = (tmp_path / "cache" / "sources.csv").read_bytes().decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [row[0] for row in rows] == ["case_id", "'=1+1", "-12", "''=2", "'@x", "'+y\r=3", "new-0", "new-1", "new-2"]
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)
