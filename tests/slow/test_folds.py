"""Folds in parallel processes, and one that is killed: the bits of folds that were never disturbed."""

import signal
import time
from pathlib import Path

import pytest

from echokit import load_run
from tests.conftest import TINY
from tests.slow.test_interruptions import finish, start

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Path:
    path = tmp_path_factory.mktemp("folds") / "tiny.yaml"
    text = TINY.format(root=phantom).replace("epochs: 2", "epochs: 4").replace("best_val_auroc", "last")
    path.write_text(text + "resample: {use: kfold, k: 3}\n")
    return path


@pytest.fixture(scope="module")
def undisturbed(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    cache = tmp_path_factory.mktemp("cache")
    return finish(recipe, tmp_path_factory.mktemp("undisturbed"), cache), cache


def test_folds_in_parallel_give_the_same_bits(recipe: Path, undisturbed: tuple[bytes, Path], tmp_path: Path) -> None:
    expected, cache = undisturbed
    first = start(recipe, tmp_path, cache, "--fold", "2")
    assert first.wait(timeout=240) == 0
    both = [start(recipe, tmp_path, cache, "--resume", "--fold", number) for number in ("1", "0")]
    assert [process.wait(timeout=240) for process in both] == [0, 0]
    assert finish(recipe, tmp_path, cache, "--resume") == expected


def test_killed_in_its_second_fold_and_resumed_gives_the_same_bits(
    recipe: Path, undisturbed: tuple[bytes, Path], tmp_path: Path
) -> None:
    expected, cache = undisturbed
    process = start(recipe, tmp_path, cache)
    history = tmp_path / "tiny" / "latest" / "checkpoints" / "fold-1" / "history.jsonl"
    while process.poll() is None and not (history.is_file() and history.read_text().count("\n") > 1):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    assert not load_run(tmp_path / "tiny").complete
    assert finish(recipe, tmp_path, cache, "--resume") == expected
