"""A run that is stopped, politely or not, and resumed has the bits of one that never was."""

import os
import pty
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from echokit import load_run

pytestmark = pytest.mark.slow


def start(recipe: Path, out: Path, cache: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "echokit", "run", str(recipe), "--out", str(out), *arguments],
        env={**os.environ, "ECHOKIT_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(recipe: Path, out: Path, cache: Path, *arguments: str) -> bytes:
    process = start(recipe, out, cache, *arguments)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    return (load_run(out / "tiny").path / "predictions.csv").read_bytes()


@pytest.fixture(scope="module")
def long_recipe(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Path:
    from tests.conftest import TINY

    path = tmp_path_factory.mktemp("long") / "tiny.yaml"
    path.write_text(TINY.format(root=phantom).replace("epochs: 2", "epochs: 12"))
    return path


@pytest.fixture(scope="module")
def undisturbed(long_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    cache = tmp_path_factory.mktemp("cache")
    return finish(long_recipe, tmp_path_factory.mktemp("undisturbed"), cache), cache


@pytest.mark.parametrize(
    ("sent", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_stopped_in_training_and_resumed_gives_the_same_bits(
    sent: signal.Signals, code: int, long_recipe: Path, undisturbed: tuple[bytes, Path], tmp_path: Path
) -> None:
    expected, cache = undisturbed
    process = start(long_recipe, tmp_path, cache)
    history = tmp_path / "tiny" / "latest" / "checkpoints" / "fold-0" / "history.jsonl"
    while process.poll() is None and not (history.is_file() and history.read_text().count("\n")):
        time.sleep(0.02)
    time.sleep(random.Random(code).uniform(0, 0.5))
    process.send_signal(sent)
    _, said = process.communicate(timeout=240)
    assert process.returncode in (code, 0), said  # 0 where it was faster than the signal
    assert "Traceback" not in said
    assert finish(long_recipe, tmp_path, cache, "--resume") == expected


def test_a_terminal_that_is_closed_stops_at_a_checkpoint(
    long_recipe: Path, undisturbed: tuple[bytes, Path], tmp_path: Path
) -> None:
    expected, cache = undisturbed
    pid, terminal = pty.fork()
    if not pid:
        os.environ["ECHOKIT_CACHE"] = str(cache)
        os.execv(sys.executable, [sys.executable, "-m", "echokit", "run", str(long_recipe), "--out", str(tmp_path)])
    history = tmp_path / "tiny" / "latest" / "checkpoints" / "fold-0" / "history.jsonl"
    while not (history.is_file() and history.read_text().count("\n")):
        if select.select([terminal], [], [], 0.02)[0]:
            os.read(terminal, 1 << 16)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) in (129, 0)  # 0 where it was faster than the signal
    assert finish(long_recipe, tmp_path, cache, "--resume") == expected


def test_killed_while_preparing_nothing_is_lost(
    long_recipe: Path, undisturbed: tuple[bytes, Path], tmp_path: Path
) -> None:
    process = start(long_recipe, tmp_path / "first", tmp_path / "cache")
    store = tmp_path / "cache" / "store"
    while process.poll() is None and not any(store.rglob("*.safetensors")):
        time.sleep(0.005)
    process.kill()
    process.communicate(timeout=240)
    assert finish(long_recipe, tmp_path / "second", tmp_path / "cache") == undisturbed[0]
