"""Finished runs, shared by the tests of the pipeline."""

from pathlib import Path

import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.results.run import Run
from tests.conftest import TINY


def run(recipe: Path, out: Path, *arguments: str) -> Run:
    """Run a recipe named ``tiny`` through the command line."""
    assert exit_code(["run", str(recipe), "--out", str(out), *arguments]) == 0
    return load_run(out / "tiny")


@pytest.fixture(scope="package")
def finished(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Run:
    """One finished run, only read by the tests."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(TINY.format(root=phantom))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return run(folder / "tiny.yaml", folder / "runs")


@pytest.fixture(scope="package")
def two_folds(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Run:
    """One finished run of two folds, only read by the tests."""
    folder = tmp_path_factory.mktemp("two_folds")
    text = TINY.format(root=phantom).replace("epochs: 2", "epochs: 1").replace("best_val_auroc", "last")
    (folder / "tiny.yaml").write_text(text + "resample: {use: kfold, k: 2}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return run(folder / "tiny.yaml", folder / "runs")
