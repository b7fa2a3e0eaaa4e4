"""The time that a training will take: measured on a step, multiplied by folds, epochs and clips."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from echokit.data.cohort.cohort import Fold
from echokit.pipeline.clip_seconds import ClipSeconds
from echokit.pipeline.time_estimate import FoldWork, fold_work, shared_passes, training_seconds
from echokit.recipe.validate import load_recipe
from echokit.training.phases import Phase
from tests.pipeline.conftest import run

WHOLE = Phase("all", ("backbone", "head"), 5, 1e-3, "train", 1)
HEAD = Phase("head", ("head",), 20, 1e-3, "train", 2)
CLIP = ClipSeconds({"all": 3.0}, 1.0)


def test_every_fold_epoch_and_clip_is_counted() -> None:
    work = FoldWork(train=100, val=10, scored=40)
    one = training_seconds([WHOLE], [work], CLIP)
    assert one == 5 * (100 * 3.0 + 10 * 1.0) + 40 * 1.0
    assert training_seconds([WHOLE], [work] * 7, CLIP) == 7 * one


def test_a_frozen_backbone_computes_each_clip_once() -> None:
    work = FoldWork(train=100, val=10, scored=40)
    assert training_seconds([HEAD], [work], CLIP) == (2 * 100 + 10 + 40) * 1.0
    both = training_seconds([HEAD, WHOLE], [work], CLIP)
    assert both == training_seconds([WHOLE], [work], CLIP) + (2 * 100 + 10) * 1.0
    assert training_seconds([HEAD], [work] * 5, CLIP, shared=300) == 300.0


def test_scored_windows_are_those_of_the_scoring(tiny: Path) -> None:
    lengths = np.full(24, 16)
    fold = Fold(0, 0, np.arange(12), np.arange(12, 18), np.arange(18, 24))
    plain = fold_work(load_recipe(tiny), lengths, fold)
    assert plain == FoldWork(train=12, val=6, scored=12 + 6)  # validation has the windows of its last epoch
    clip = "clip={frames: 8, start: random, clips: 2, test_clips: 3}"
    several = fold_work(load_recipe(tiny, (clip,)), lengths, fold)
    assert several == FoldWork(train=24, val=12, scored=12 + 3 * (6 + 6))
    shared = shared_passes(load_recipe(tiny, (clip,)), lengths, copies=2, validates=False)
    assert shared == 2 * 48 + 72


def test_a_run_says_how_long_its_folds_take_before_training(
    tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = "train={epochs: 2, batch_size: 4, keep: last, optimizer: {lr: 0.001}}"
    made = run(tiny, tmp_path, "--set", "resample={use: kfold, k: 2}", "--set", settings)
    lines = capfd.readouterr().err.splitlines()
    [said] = [number for number, line in enumerate(lines) if "training takes" in line]
    assert "2 folds of 2 epochs" in lines[said]
    assert said < next(number for number, line in enumerate(lines) if re.match("epoch 1|fold 0", line))
    per_clip = float(re.search(r"measured: ([\d.e-]+) s a clip", lines[said]).group(1))  # type: ignore[union-attr]
    took = [1 / record["clips_per_second"] for record in made.history]
    assert 0.1 < per_clip / np.median(took) < 10  # loose: other processes may use the machine now or then
