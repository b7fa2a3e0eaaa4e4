"""Data of a format that a plugin reads: from the scaffold to a run and a prediction."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from echokit.cli import exit_code
from echokit.data.video.read import read_video
from echokit.phantom.write_table import write_table
from tests.tools.new_plugin.test_package import lay_out

pytestmark = pytest.mark.slow


def test_data_of_a_plugins_format_train_and_are_recorded(tmp_path: Path) -> None:
    """As a user does: the scaffold as it is, a table of arrays, a run, a prediction."""
    assert exit_code(["plugin", "new", "reader", "lab_arrays", "--into", str(tmp_path)]) == 0
    lay_out(tmp_path / "echokit-lab-arrays")
    data = tmp_path / "data"
    write_table(data, cases=12, ef="wide", workers=1)
    table = pd.read_csv(data / "cases.csv", dtype=str)
    for row, source in enumerate(table["source"]):
        np.save(data / f"{row}.npy", read_video(data / source).frames[:12, ::4, ::4])
    table["source"] = [f"{row}.npy" for row in table.index]
    table.drop(columns="split").to_csv(data / "cases.csv", index=False)
    shutil.rmtree(data / "clips")
    recipe = tmp_path / "arrays.yaml"
    recipe.write_text(
        "name: arrays\ndata: {use: table, table: data/cases.csv, covariates: [ef]}\n"
        "target: {from: ef, positive: reduced, below: 50}\n"
        "preprocess: [{use: trim, frames: 12}, {use: resize, size: 16}]\nclip: {frames: 12}\n"
        "model: {use: single_stream, backbone: {use: resnet18, width: 4}}\nresample: {use: holdout, test: 0.25}\n"
        "train: {epochs: 1, batch_size: 4, keep: last}\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "echokit-lab-arrays"), *sys.path])}

    def echokit(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "echokit", *arguments],
            capture_output=True, text=True, check=False, cwd=tmp_path, env=environment,
        )  # fmt: skip

    done = echokit("run", "arrays.yaml", "--out", "runs")
    assert done.returncode == 0, done.stderr
    assert "PHANTOM DATA" in done.stderr
    run = (tmp_path / "runs" / "arrays" / "latest").resolve()
    lock = yaml.safe_load((run / "lock.yaml").read_text())
    [reader] = [part for part in lock["components"] if part["kind"] == "reader"]
    assert (reader["name"], reader["plugin"], reader["version"]) == ("lab_arrays", "lab_arrays", "0.1.0")
    checked = echokit("data", "check", "data/cases.csv", "--json")
    assert checked.returncode == 0, checked.stdout
    assert json.loads(checked.stdout)["frames"] == 12 * 12
    scored = echokit("predict", str(run), "data/1.npy", "--json")
    assert scored.returncode == 0, scored.stderr
    masked = echokit("mask", "data/1.npy", "--out", "masked")
    assert masked.returncode == 0, masked.stderr
