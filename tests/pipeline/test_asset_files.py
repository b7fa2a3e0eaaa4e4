"""Files that components name as parameters: their content counts, their path does not."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from echokit.cli import exit_code
from echokit.data.clips.clip_store import steps_of
from echokit.plugins.discovery import installed
from echokit.recipe.validate import load_recipe
from echokit.results.run import Run
from echokit.system.hashing import package_hash
from tests.expect import command_error
from tests.pipeline.conftest import run
from tests.plugins.test_discovery import install

PLUGIN = """
from echokit import hookimpl

@hookimpl
def echokit_components(register):
    register.preprocessor("rows_mask", "lab_rows.rows:RowsMask", mask=True, summary="keep the first rows")
"""
MASK = """
from dataclasses import replace
from pathlib import Path

import numpy as np

from echokit import AssetFile, Clip


class RowsMask:
    '''Keep the first rows of every frame.

    Args:
        rows: File with their number.
    '''

    def __init__(self, *, rows: AssetFile, others: tuple[AssetFile, ...] = ()) -> None:
        self.rows = int(Path(rows).read_text())

    def __call__(self, clip: Clip) -> Clip:
        kept = np.arange(clip.frames.shape[1]) < self.rows
        return replace(clip, frames=np.where(kept[None, :, None], clip.frames, np.uint8(0)))
"""


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a mask that reads a file, and return the file."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    install(tmp_path / "site", "lab_rows", "")
    (tmp_path / "site" / "lab_rows" / "__init__.py").write_text(PLUGIN)
    (tmp_path / "site" / "lab_rows" / "rows.py").write_text(MASK)
    for name in ("lab_rows", "lab_rows.rows"):  # of another test
        monkeypatch.delitem(sys.modules, name, raising=False)
    package_hash.cache_clear()
    installed.cache_clear()
    path = tmp_path / "rows.txt"
    path.write_text("40")
    yield path
    installed.cache_clear()


@pytest.fixture
def recipe(tiny: Path, rows: Path) -> Path:
    text = tiny.read_text()
    tiny.write_text(text.replace("{use: resize", f"{{use: rows_mask, rows: {rows}}}, {{use: resize"))
    return tiny


def identity(recipe: Path, *overrides: str) -> str:
    return steps_of(load_recipe(recipe, overrides).preprocess)[1].identity


def test_the_content_of_a_file_is_the_key_of_clips(recipe: Path, rows: Path) -> None:
    first = identity(recipe)
    moved = shutil.copy(rows, rows.with_name("moved.txt"))
    assert identity(recipe, f"preprocess.1.rows={moved}") == first
    assert identity(recipe, f"preprocess.1.others=[{moved}]") != first
    rows.write_text("30")
    assert identity(recipe) != first


@pytest.mark.parametrize("path", ["missing.txt", "."])
def test_a_file_that_cannot_be_read_is_refused_early(recipe: Path, tmp_path: Path, path: str) -> None:
    named = f"preprocess.1.rows={tmp_path / path}"
    for command in (
        ["validate", str(recipe)],
        ["run", str(recipe), "--dry-run"],
        ["run", str(recipe), "--out", str(tmp_path / "runs")],
    ):
        error = command_error([*command, "--set", named])
        assert (error.code, error.where) == ("component.file_unreadable", str(tmp_path / path))
    assert not (tmp_path / "runs").exists()


def test_predict_reports_other_code_of_a_mask(
    recipe: Path, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = run(recipe, tmp_path / "first")
    predict = ["predict", str(first.path), str(next((phantom / "Videos").iterdir()))]
    assert exit_code(predict) == 0
    assert "rows_mask has changed" not in capfd.readouterr().err
    (tmp_path / "site" / "lab_rows" / "rows.py").write_text(MASK + "\n# other code\n")
    package_hash.cache_clear()
    assert exit_code(predict) == 0
    assert "rows_mask has changed" in capfd.readouterr().err


def test_a_run_is_bound_to_the_content_of_its_files(recipe: Path, rows: Path, phantom: Path, tmp_path: Path) -> None:
    first = run(recipe, tmp_path / "first")
    [mask] = [part for part in first.lock.content["components"] if part["name"] == "rows_mask"]
    assert list(mask["files"]) == [str(rows)]
    moved = shutil.copy(rows, tmp_path / "moved.txt")
    renamed = run(recipe, tmp_path / "renamed", "--set", f"preprocess.1.rows={moved}")
    assert renamed.lock.recipe_hash == first.lock.recipe_hash
    assert renamed.predictions.equals(first.predictions)

    rows.write_text("20")
    lock = first.path / "lock.yaml"
    assert command_error(["run", str(lock), "--out", str(tmp_path / "again")]).code == "lock.other_file"
    video = str(next((phantom / "Videos").iterdir()))
    assert command_error(["predict", str(first.path), video]).code == "lock.other_file"
    changed = run(recipe, tmp_path / "changed")
    assert changed.lock.recipe_hash != first.lock.recipe_hash
    rows.write_text("40")
    assert exit_code(["predict", str(Run(first.path).path), video]) == 0
