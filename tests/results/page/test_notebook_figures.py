"""A run in a notebook: its metrics as a table, its plots as images."""

from pathlib import Path

from echokit import load_run
from echokit.cli import exit_code
from tests.expect import refused


def test_a_run_shows_itself_in_a_notebook(tiny: Path, tmp_path: Path) -> None:
    assert exit_code(["run", str(tiny), "--out", str(tmp_path / "runs")]) == 0
    run = load_run(tmp_path / "runs" / "tiny")
    table = run._repr_html_()
    assert "PHANTOM DATA" in table
    assert f"{run.metric('auroc').value:.3f}" in table
    for name in ("roc", "pr", "confusion", "learning_curves"):
        assert run.figure(name)._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    with refused("run.unknown_plot", names=("'rock'",)):
        run.figure("rock")
    assert run.report.read_bytes().startswith(b"<!doctype html>")
