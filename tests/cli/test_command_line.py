"""Help and wrong input: one screen of text, exit code 2, and no traceback."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from echokit.cli import COMMANDS, GROUPS, exit_code
from tests.expect import refused


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code([command, "--help"]) == 0
    assert "Example" in capsys.readouterr().out or command == "data"


def test_help_shows_every_command_in_one_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(COMMANDS)
    assert exit_code(["--help"]) == 0
    shown = capsys.readouterr().out
    places = [shown.index(f"{title}:") for title in ("Daily", "Data", "Evaluation", "Development")]
    assert places == sorted(places)
    assert all(shown.count(f"\n  {name} ") == 1 for name in COMMANDS)


@pytest.mark.parametrize("kind", ["optimizers", "schedule", "callbacks", "metrics"])
def test_names_of_libraries_and_metrics_are_listed_and_shown(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    known = {"optimizers": "lamb", "schedule": "one_cycle", "callbacks": "mlflow", "metrics": "calibration_slope"}[kind]
    assert exit_code(["list", kind, "--json"]) == 0
    assert known in [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert exit_code(["list", kind]) == 0
    assert f"  {known} " in capsys.readouterr().out
    assert exit_code(["show", known]) == 0
    assert known in capsys.readouterr().out.splitlines()[0]


def test_an_evaluator_is_shown_with_its_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["show", "bland_altman"]) == 0
    assert "metric bland_altman_bias" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["phantom", "check", "prepare", "convert"])
def test_every_data_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["data", command, "--help"]) == 0
    assert "Example" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["rum"], "did you mean 'run'"),
        (["run"], "Missing argument 'RECIPE'"),
        (["run", "ef_113"], "did you mean 'ef_112'"),
        (["run", "quickstart", "--fold", "x"], "not a valid integer"),
        (["run", "quickstart", "--dry-run", "--device", "tpu"], "tpu"),
        (["list", "backbons"], "did you mean 'backbone'"),
        (["show", "resnet81"], "did you mean"),
        (["validate", "/nowhere/x.yaml"], "/nowhere/x.yaml"),
        (["explain", "ef_112", "--set", "train.epochs"], "key.path=value"),
        (["data", "phantom", "/proc/nothing/x", "--cases", "2"], "error"),
    ],
)
def test_wrong_input_gives_one_screen_and_exit_code_2(arguments: list[str], expected: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "echokit", *arguments], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) < 24


def test_all_mistakes_of_a_recipe_are_reported_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.yaml").write_text(
        "extends: ef_112\nname: bad\ntrain: {epochs: 0, optimiser: {lr: 1}}\nmodel: {backbone: resnet19}\n"
    )
    assert exit_code(["run", str(tmp_path / "bad.yaml")]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: 3 mistakes")
    assert "did you mean 'optimizer'" in errors
    assert "bad.yaml:3" in errors
    assert "bad.yaml:4" in errors


def test_the_phantom_does_not_overwrite_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert exit_code(["data", "phantom", str(tmp_path), "--cases", "2"]) == 2
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert "error:" in capsys.readouterr().err


def test_debug_shows_the_traceback() -> None:
    with refused("recipe.not_found"):
        exit_code(["--debug", "validate", "nothing"])


def test_preparing_twice_prepares_no_clip_again(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["data", "prepare", str(tiny)]) == 0
    capsys.readouterr()
    assert exit_code(["data", "prepare", str(tiny)]) == 0
    assert re.findall(r"\d+", capsys.readouterr().out) == ["24", "0", "24", "0"]  # ready, new, old, unreadable


def test_sigterm_outside_training_does_not_claim_saved_work(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "echokit", "data", "phantom", str(tmp_path / "hearts"), "--cases", "5000"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not any(tmp_path.iterdir()):  # until it has begun
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert "SIGTERM" in errors
    assert "only earlier checkpoints are saved" in errors
    assert "Traceback" not in errors


def test_show_lists_types_with_their_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("table", "motion_mask", "trim"):
        assert exit_code(["show", name]) == 0
    output = capsys.readouterr().out
    assert "  horizon: number > 0, or null; default null\n" in output
    assert '  threshold: number > 0, or "auto"; default "auto"\n' in output
    assert "  covariates: array of string; default []\n" in output
    assert "FieldInfo" not in output


@pytest.mark.parametrize("arguments", [["list", "backbones"], ["show", "study_compat"], ["bench", "--help"]])
def test_the_reference_study_is_named_wherever_it_is_mentioned(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(arguments) == 0
    assert "Ejection Fraction Classification & Transfer Learning" in " ".join(capfd.readouterr().out.split())


def test_the_reference_study_is_not_named_without_need(capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["list", "samplers"]) == 0
    assert "study" not in capfd.readouterr().out
