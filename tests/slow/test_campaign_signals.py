"""Signals and kills at many moments: a run ends with its code and one message, and resumes to the same bits."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from echokit import load_run
from tests.conftest import TINY
from tests.slow.campaign import Campaign
from tests.slow.commands import Commands, Done

pytestmark = pytest.mark.slow

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
MOMENTS, KILLS = 30, 8


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Iterator[Commands]:
    """Commands over a recipe of three epochs, whose clips are prepared."""
    folder = tmp_path_factory.mktemp("signals")
    (folder / "tiny.yaml").write_text(TINY.format(root=phantom).replace("epochs: 2", "epochs: 3"))
    with Commands(folder, {"ECHOKIT_CACHE": str(folder / "cache")}) as started:
        yield started


@pytest.fixture(scope="module")
def undisturbed(commands: Commands) -> tuple[Path, float]:
    """A run that was never stopped, and how many seconds its repetition takes."""
    recipe = commands.folder / "tiny.yaml"
    done = commands.run("run", recipe, "--out", commands.folder / "first")
    assert done.code == 0, done.stderr
    started = time.monotonic()
    assert commands.run("run", recipe, "--out", commands.folder / "second").code == 0
    return load_run(commands.folder / "first" / "tiny").path, time.monotonic() - started


def ends_as_told(done: Done, sent: signal.Signals) -> bool:
    """Check the end of a command that got a signal; return whether it was faster than the signal."""
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    assert "Exception ignored" not in done.stderr, done.stderr[-2000:]
    if done.code == 0:
        return True
    assert done.code == CODES[sent], f"{done.code}: {done.stderr[-2000:]}"
    assert done.stderr.count(f"stopped by {sent.name}") == 1, done.stderr[-2000:]
    return False


def resumes(commands: Commands, out: Path, expected: Path) -> None:
    """Check that a stopped run gives the results of one that never was."""
    started = (out / "tiny" / "latest" / "lock.yaml").is_file()
    done = commands.run("run", commands.folder / "tiny.yaml", "--out", out, *(["--resume"] if started else []))
    assert done.code == 0, done.stderr[-2000:]
    path = load_run(out / "tiny").path
    for name in ("predictions.csv", "metrics.json", "curves.json", "cohort.csv"):
        assert (path / name).read_bytes() == (expected / name).read_bytes(), name
    assert (path / "report.html").is_file()


def test_signals_at_many_moments(commands: Commands, undisturbed: tuple[Path, float], tmp_path: Path) -> None:
    expected, seconds = undisturbed
    campaign = Campaign("signals at many moments of a run")
    faster = 0
    for moment in range(MOMENTS):
        sent = list(CODES)[moment % len(CODES)]
        group = moment % 2  # Ctrl-C goes to all processes of a terminal, kill to one
        after = seconds * moment / MOMENTS
        ended = False
        with campaign.attempt(f"{sent.name} to the {'group' if group else 'process'} after {after:.2f} s"):
            out = tmp_path / str(moment)
            process = commands.start("run", commands.folder / "tiny.yaml", "--out", out)
            time.sleep(after)
            with suppress(ProcessLookupError):
                (os.killpg if group else os.kill)(process, sent)
            ended = ends_as_told(commands.finish(), sent)
            if moment % 3 == 0:
                resumes(commands, out, expected)
        if ended:  # the machine has become faster than it was for the undisturbed run: aim earlier
            faster += 1
            seconds *= 0.8
    assert faster < MOMENTS / 3
    campaign.finish(at_least=MOMENTS)


def test_kills_at_random_moments(commands: Commands, undisturbed: tuple[Path, float], tmp_path: Path) -> None:
    expected, seconds = undisturbed
    campaign = Campaign("kills at random moments of a run")
    random_moments = random.Random(15)
    for number in range(KILLS):
        after = random_moments.uniform(0, seconds)
        with campaign.attempt(f"kill after {after:.2f} s"):
            out = tmp_path / str(number)
            process = commands.start("run", commands.folder / "tiny.yaml", "--out", out)
            time.sleep(after)
            with suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            assert commands.finish().code in (-signal.SIGKILL, 0)
            resumes(commands, out, expected)
    campaign.finish(at_least=KILLS)
