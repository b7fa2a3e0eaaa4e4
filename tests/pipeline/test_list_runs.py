"""The list of runs: what each is, whether it finished, and its one figure with n and baseline."""

import json
import shutil
from pathlib import Path

import pytest

from echokit.cli import exit_code
from echokit.results.run import Run


def listed(out: Path, capsys: pytest.CaptureFixture[str]) -> list[dict]:
    capsys.readouterr()
    assert exit_code(["list", "runs", "--out", str(out), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_runs_are_listed_with_their_state_and_metric(
    two_folds: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert listed(tmp_path, capsys) == []
    for name in ("a", "b", "c"):
        shutil.copytree(two_folds.path, tmp_path / "tiny" / name)
    (tmp_path / "tiny" / "latest").symlink_to("c")
    (tmp_path / "tiny" / "b" / "predictions.csv").write_text("edited")
    lock = tmp_path / "tiny" / "a" / "lock.yaml"
    sums = tmp_path / "tiny" / "a" / "checksums.json"
    sums.write_text(json.dumps({"lock.yaml": json.loads(sums.read_text())["lock.yaml"]}))
    newest, damaged, unfinished = listed(tmp_path, capsys)
    assert lock.is_file()
    assert newest["path"].endswith("c")
    assert (newest["name"], newest["state"], newest["epochs"]) == ("tiny", "finished", 1)
    assert (newest["cases"], newest["phantom"], newest["stamp"]) == (24, True, "PHANTOM DATA")
    metric = two_folds.metric("auroc_within_fold")
    assert (newest["metric"]["value"], newest["metric"]["n"]) == (metric.value, metric.n)
    assert damaged["state"].startswith("damaged")
    assert "predictions.csv" in damaged["state"]
    assert (unfinished["state"], unfinished["metric"], damaged["metric"]) == ("unfinished", None, None)

    assert exit_code(["list", "runs", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("PHANTOM DATA") == 3
    assert f"n {metric.n}" in shown


def test_a_run_with_a_broken_lock_is_listed(two_folds: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(two_folds.path, tmp_path / "tiny" / "a")
    (tmp_path / "tiny" / "a" / "lock.yaml").write_text("{")
    [row] = listed(tmp_path, capsys)
    assert (row["name"], row["data"], row["phantom"]) == ("tiny", None, None)
    assert row["state"].startswith("damaged")
