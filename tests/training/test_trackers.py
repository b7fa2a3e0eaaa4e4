"""Trackers receive the numbers of a run and do not change it."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.pipeline.run import run as run_request
from echokit.pipeline.session import RunRequest
from echokit.plugins.discovery import installed
from echokit.recipe.validate import is_tracker, load_recipe
from echokit.system.distribution import install_extra
from tests.expect import refused

TRACKERS = ("mlflow", "tensorboard", "wandb")
ONE = ("--set", "train.epochs=2")


@pytest.mark.parametrize("key", ["track", "callbacks"])
def test_tensorboard_receives_the_numbers_of_every_epoch(tiny: Path, tmp_path: Path, key: str) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert exit_code(["run", str(tiny), "--out", str(tmp_path / "a"), *ONE]) == 0
    assert exit_code(["run", str(tiny), "--out", str(tmp_path / "b"), *ONE, "--set", f"{key}=[tensorboard]"]) == 0
    plain, open_trackers = load_run(tmp_path / "a" / "tiny"), load_run(tmp_path / "b" / "tiny")
    assert plain.lock.recipe_hash == open_trackers.lock.recipe_hash
    assert (plain.path / "predictions.csv").read_bytes() == (open_trackers.path / "predictions.csv").read_bytes()
    [events] = (open_trackers.path / "tensorboard" / "tiny").glob("events*")
    log = EventAccumulator(str(events)).Reload()
    assert {"fold-0/train_loss", "fold-0/val_auroc", "fold-0/lr"} <= set(log.Tags()["scalars"])
    assert [event.step for event in log.Scalars("fold-0/train_loss")] == [1, 2]
    written = b"".join(path.read_bytes() for path in (open_trackers.path / "tensorboard").rglob("*") if path.is_file())
    assert b"PHANTOM DATA" in written
    assert not any(str(case).encode() in written for case in open_trackers.predictions["case_id"])
    assert str(tmp_path).encode() not in written


@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")
def test_wandb_keeps_the_numbers_offline(tiny: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "echokit", "run", str(tiny), *ONE, "--set", "track=[wandb]"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "WANDB_MODE": "offline"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    [folder] = (tmp_path / "wandb").glob("offline-run-*")
    assert b"fold-0/val_auroc" in next(folder.glob("*.wandb")).read_bytes()


@pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed")
def test_mlflow_keeps_the_numbers_under_the_name_of_the_run(tiny: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "echokit", "run", str(tiny), *ONE, "--set", "track=[mlflow]"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        [(name,)] = database.execute("select name from runs").fetchall()
        steps = database.execute("select step from metrics where key = 'fold-0/val_auroc' order by step").fetchall()
    assert name == load_run(tmp_path / "runs" / "tiny").path.name
    assert steps == [(1,), (2,)]


def test_trackers_are_callbacks_that_only_watch() -> None:
    registry = installed().registry
    trackers = [one.name for one in registry.components(["callback"]) if one.plugin == "echokit"]
    assert tuple(trackers) == TRACKERS
    assert all(is_tracker(registry, name) for name in TRACKERS)


@pytest.mark.parametrize("key", ["track", "callbacks"])
@pytest.mark.parametrize("name", TRACKERS)
def test_missing_tracker_is_named_with_the_install_command(name: str, key: str, tiny: Path, tmp_path: Path) -> None:
    if find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    tiny.write_text(f"{tiny.read_text()}{key}: [{name}]\n")
    line = len(tiny.read_text().splitlines())
    with refused("track.not_installed", f"{tiny}:{line}", (f"{key}.0", install_extra(name))):
        run_request(RunRequest(load_recipe(tiny), tmp_path))


def test_a_tracker_that_is_named_twice_is_started_once(tiny: Path) -> None:
    recipe = load_recipe(tiny, ("track=[tensorboard, tensorboard]", "callbacks=[tensorboard]"))
    assert [use.name for use in recipe.all_callbacks] == ["tensorboard"]


def test_unknown_tracker_is_a_mistake_in_the_recipe(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["validate", str(tiny), "--set", "track=[tensorbord]"]) == 2
    assert "did you mean 'tensorboard'" in capfd.readouterr().err
