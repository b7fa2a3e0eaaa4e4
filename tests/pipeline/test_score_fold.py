"""Scoring after training: one window of each training case, and no case twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from echokit.data.clips.prepared_clips import PreparedClips
from echokit.data.sampling.windows import Windows
from echokit.results.run import Run
from echokit.training import scoring
from tests.pipeline.conftest import run


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[Windows]:
    """The windows that went through the model after a training."""
    seen: list[Windows] = []
    computed = scoring.model_outputs

    def watched(model: Any, clips: PreparedClips, windows: Windows, **options: Any) -> Any:
        seen.append(windows)
        return computed(model, clips, windows, **options)

    monkeypatch.setattr(scoring, "model_outputs", watched)
    return seen


def windows_of(made: Run, scored: list[Windows], split: str) -> int:
    """Count the scored windows of a set."""
    rows = np.flatnonzero((made.cohort["split"] == split).to_numpy())
    return sum(int(np.isin(windows.case, rows).sum()) for windows in scored)


def test_validation_is_not_scored_again(tiny: Path, tmp_path: Path, scored: list[Windows]) -> None:
    """Its scores are those of the selected epoch, with averaged weights, to the bit."""
    settings = ("--set", "train.ema.decay=0.5", "--set", "train.keep=best_val_loss")
    made = run(tiny, tmp_path, *settings)
    sizes = made.cohort["split"].value_counts()
    assert {split: windows_of(made, scored, split) for split in sizes.index} == {**sizes, "val": 0}
    first = (made.path / "predictions.csv").read_bytes()
    scored.clear()
    (made.fold(0) / "predictions.csv").unlink()
    again = run(tiny, tmp_path, *settings, "--resume")
    assert windows_of(again, scored, "val") == sizes["val"]
    assert (again.path / "predictions.csv").read_bytes() == first


def test_training_cases_have_one_of_the_windows_of_test(tiny: Path, tmp_path: Path, scored: list[Windows]) -> None:
    clip = "clip={frames: 8, start: random, test_clips: 3}"
    made = run(tiny, tmp_path, "--set", clip, "--set", "train.epochs=1", "--set", "preprocess.0.frames=16")
    sizes = made.cohort["split"].value_counts()
    assert windows_of(made, scored, "train") == sizes["train"]
    assert windows_of(made, scored, "test") == 3 * sizes["test"]
    assert windows_of(made, scored, "val") == 3 * sizes["val"]  # a calibration is fitted for the scores of test
    assert len(made.predictions) == len(made.cohort)


def test_heads_score_one_window_of_each_training_case(tiny: Path, tmp_path: Path) -> None:
    from echokit.phantom.write_echonet_dynamic import write_phantom

    write_phantom(tmp_path / "others", cases=12, seed=9, ef="wide", frames=(20, 24), workers=1)
    others = ("--set", f"data.root={tmp_path / 'others'}", "--set", "train={epochs: 1, batch_size: 8, keep: last}")
    weights = run(tiny, tmp_path / "first", *others).fold(0) / "best" / "model.safetensors"
    head = "train={phases: [{name: head, train: [head], epochs: 2, lr: 0.01}], epochs: 2, batch_size: 8, keep: last}"
    common = ("--set", f"model.weights={weights}", "--set", head, "--set", "resample={use: kfold, k: 2}")
    trim = ("--set", "preprocess.0.frames=16")
    clip = "clip={frames: 8, start: first, test_clips: %d}"
    runs = [run(tiny, tmp_path / str(count), *common, *trim, "--set", clip % count) for count in (1, 3)]
    one, three = (made.predictions.set_index(["fold", "split", "case_id"])["y_score"] for made in runs)
    same = np.isclose(one, three, rtol=1e-6)
    split = one.index.get_level_values("split")
    assert same[split == "train"].all()  # the middle of three windows is the single one
    assert not same[split == "test"].any()


def test_the_middle_window_is_one_of_each_case() -> None:
    windows = Windows(np.array([4, 4, 4, 2, 7, 7]), np.arange(6)[:, None])
    assert windows.at(windows.middle()).frames[:, 0].tolist() == [1, 3, 4]
    assert pd.Series(windows.case[windows.middle()]).is_unique
    assert not windows.same_as(windows.at(np.arange(5)))
