"""What a user meets before anything works: help, wrong words, wrong recipes. One screen, exit code 2, no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from echokit.cli import COMMANDS, exit_code


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code([command, "--help"]) == 0
    said = capsys.readouterr().out
    assert "Example" in said or command == "data"


@pytest.mark.parametrize("command", ["phantom", "check", "prepare", "convert"])
def test_every_data_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["data", command, "--help"]) == 0
    assert "Example" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rum"], "did you mean 'run'"),
        (["run"], "Missing argument 'RECIPE'"),
        (["run", "ef_113"], "did you mean 'ef_112'"),
        (["run", "quickstart", "--fold", "x"], "not a valid integer"),
        (["run", "quickstart", "--dry-run", "--device", "tpu"], "tpu"),
        (["list", "backbons"], "did you mean 'backbone'"),
        (["show", "resnet81"], "did you mean"),
        (["validate", "/nowhere/x.yaml"], "there is no recipe"),
        (["explain", "ef_112", "--set", "train.epochs"], "key.path=value"),
        (["data", "phantom", "/proc/nothing/x", "--cases", "2"], "error"),
    ],
)
def test_wrong_words_get_one_screen_and_exit_code_2(arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "echokit", *arguments], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) < 24


def test_three_mistakes_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.yaml").write_text(
        "extends: ef_112\nname: bad\ntrain: {epochs: 0, optimiser: {lr: 1}}\nmodel: {backbone: resnet19}\n"
    )
    assert exit_code(["run", str(tmp_path / "bad.yaml")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: 3 mistakes in the recipe")
    assert "did you mean 'optimizer'" in said
    assert "bad.yaml:3" in said
    assert "bad.yaml:4" in said


def test_the_phantom_does_not_write_over_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert exit_code(["data", "phantom", str(tmp_path), "--cases", "2"]) == 2
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert "error:" in capsys.readouterr().err


def test_debug_shows_the_traceback() -> None:
    from echokit.errors import EchokitError

    with pytest.raises(EchokitError):
        exit_code(["--debug", "validate", "nothing"])


def test_preparing_twice_makes_nothing_new(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["data", "prepare", str(tiny)]) == 0
    assert exit_code(["data", "prepare", str(tiny)]) == 0
    assert "24 clips are ready: 0 made now, 24 were there" in capsys.readouterr().out


def test_a_termination_outside_a_training_is_said_and_promises_nothing(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "echokit", "data", "phantom", str(tmp_path / "hearts"), "--cases", "5000"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not any(tmp_path.iterdir()):  # until it has begun
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert "stopped by SIGTERM at once; only what was saved before is kept" in said
    assert "Traceback" not in said


def test_show_tells_types_with_their_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("table", "motion_mask", "trim"):
        assert exit_code(["show", name]) == 0
    said = capsys.readouterr().out
    assert "  horizon: number > 0, or null; default null\n" in said
    assert '  threshold: number > 0, or "auto"; default "auto"\n' in said
    assert "  covariates: array of string; default []\n" in said
    assert "FieldInfo" not in said
