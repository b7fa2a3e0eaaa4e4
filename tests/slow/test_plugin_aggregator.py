"""A run whose folds only the aggregator of a plugin combines, as the scaffold writes it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from echokit.cli import exit_code
from tests.pipeline.test_aggregators import FOLDS
from tests.tools.new_plugin.test_package import lay_out

pytestmark = pytest.mark.slow


def test_a_run_with_only_an_aggregator_of_a_plugin(tiny: Path, tmp_path: Path) -> None:
    assert exit_code(["plugin", "new", "aggregator", "corrected_t", "--into", str(tmp_path)]) == 0
    package = tmp_path / "echokit-corrected-t"
    lay_out(package)
    tiny.write_text(
        tiny.read_text() + FOLDS + "evaluate: [accuracy, auroc, log_loss, corrected_t]\n"
        "controls: {covariates: {size: [fps]}}\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), *sys.path])}

    def command(*arguments: str) -> str:
        call = [sys.executable, "-m", "echokit", *arguments]
        done = subprocess.run(call, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    out = command("run", str(tiny), "--set", "train.epochs=1")
    assert "corrected_t:auroc_corrected_t" in out
    (run,) = (path for path in (tmp_path / "runs" / "tiny").iterdir() if not path.is_symlink())
    joined = [row["metric"] for row in json.loads((run / "metrics.json").read_text()) if row["fold"] is None]
    assert joined == [f"corrected_t:{name}_corrected_t" for name in ("accuracy", "auroc", "log_loss")]
    lock = yaml.safe_load((run / "lock.yaml").read_text())
    locked = [part for part in lock["components"] if part["kind"] == "aggregator"]
    assert [(part["name"], part["plugin"], part["package"]) for part in locked] == [
        ("corrected_t", "corrected_t", "echokit-corrected-t")
    ]
    assert lock["recipe"]["evaluate"][-1] == {"use": "corrected_t:corrected_t"}
    summary = (run / "summary.md").read_text()
    assert "Test corrected_t:auroc_corrected_t" in summary.split("##")[0]
    assert "mean ± SD" not in summary
    assert "this run" in summary.split("## Negative controls")[1].split("##")[0]
    page = (run / "report.html").read_text()
    assert "corrected_t:auroc_corrected_t" in page
    assert "sample SD" not in page
    rows = json.loads(command("list", "runs", "--json"))
    assert rows[0]["metric"]["metric"] == "corrected_t:auroc_corrected_t"
    command("compare", str(run), str(run), "--json")
    command("report", str(run))
    command("run", str(run / "lock.yaml"), "--out", "again")
    (again,) = (path for path in (tmp_path / "again" / "tiny").iterdir() if not path.is_symlink())
    assert (again / "metrics.json").read_bytes() == (run / "metrics.json").read_bytes()
