"""Runs that a callback stops: made longer afterwards, and in two processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from echokit import load_run
from tests.pipeline.test_recipe_callbacks import run, setting, site

pytestmark = pytest.mark.slow
__all__ = ["site"]  # a fixture


@pytest.mark.parametrize("epoch", [1, 2])
def test_only_the_folds_that_were_not_stopped_become_longer(site: Path, tiny: Path, tmp_path: Path, epoch: int) -> None:
    """Even if the stop came in what was the last epoch."""
    chosen = setting(
        f"callbacks=[{{use: afterepoch, epoch: {epoch}, fold: 1}}]", "resample={use: kfold, k: 2}", "train.keep=last"
    )
    first = run(tiny, tmp_path / "runs", *chosen)
    longer = run(tiny, tmp_path / "runs", "--resume", *chosen, *setting("train.epochs=3"))
    assert longer.path == first.path
    whole = run(tiny, tmp_path / "whole", *chosen, *setting("train.epochs=3"))
    assert [(record["fold"], record["epoch"]) for record in longer.history if record["fold"] == 1][-1] == (1, epoch)
    for name in ("predictions.csv", "metrics.json", *(f"checkpoints/fold-{k}/best/model.safetensors" for k in (0, 1))):
        assert (longer.path / name).read_bytes() == (whole.path / name).read_bytes(), name


def test_two_processes_stop_together_and_resume(site: Path, tiny: Path, tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29617"]
    chosen = setting("callbacks=[{use: afterstep, step: 1}, watching]", "train.epochs=3", "train.keep=last")
    paths = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": paths}
    command = [
        *launcher,
        "-m",
        "echokit",
        "run",
        str(tiny),
        "--out",
        str(tmp_path / "runs"),
        "--device",
        "cpu",
        *chosen,
    ]
    for resume in ([], ["--resume"]):
        done = subprocess.run(
            [*command, *resume], env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    stopped = load_run(tmp_path / "runs" / "tiny")
    assert stopped.lock.content["compute"]["processes"] == 2
    assert [record["stopped"] for record in stopped.history] == ["afterstep: a step is enough"]
    told = [json.loads(line) for line in (site / "told.jsonl").read_text().splitlines()]
    assert [one for one in told if one[0] in ("step", "epoch", "run")] == [
        ["run", True], ["step", 1], ["epoch", 1, "afterstep: a step is enough"], ["run", True],
    ]  # fmt: skip
