"""The data stages of a run: the fallback, unusable videos, changed clips, short videos."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from echokit.cli import exit_code
from echokit.data.video.read import read_video
from echokit.data.video.write import write_video
from echokit.pipeline.cohort_stage import load_cohort, prepare_clips
from echokit.recipe.validate import load_recipe
from echokit.results.run import Run
from tests.conftest import TINY
from tests.pipeline.conftest import run


def test_changed_clips_are_prepared_again_and_counted(
    finished: Run, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clips = prepare_clips(load_cohort(load_recipe(tiny))).clips.paths[:5]
    for path in clips:
        before, whole = path.stat(), path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = run(tiny, tmp_path / "again")
    assert (again.path / "predictions.csv").read_bytes() == (finished.path / "predictions.csv").read_bytes()
    assert "- 5 prepared clips had changed since they were written" in (again.path / "summary.md").read_text()
    assert capfd.readouterr().err.count("the same bits") == 5
    clips[0].write_bytes(b"")
    assert exit_code(["data", "prepare", str(tiny)]) == 0
    said = capfd.readouterr()
    assert "1 prepared clips had changed" in said.err
    assert "24 clips are ready: 1 new, 23 already prepared" in said.out


def test_padded_videos_are_counted(tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    changes = ["--set", "preprocess.0.frames=24", "--set", "clip.frames=22", "--set", "train.epochs=1"]
    made = run(tiny, tmp_path, *changes)
    lengths = prepare_clips(load_cohort(made.lock.recipe)).clips.lengths
    short = int((lengths < 22).sum())
    assert 0 < short < 24
    said = f"{short} of 24 videos are too short for a clip of 22 frames: blank frames were added to them"
    assert said in capfd.readouterr().err
    assert f"- {said}" in (made.path / "summary.md").read_text()


def test_fallback_only_replaces_a_missing_unnamed_dataset(
    tiny: Path, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fallback = "data.fallback={use: phantom, cases: 12, ef: wide, set: {train: {epochs: 1}}}"
    assert exit_code(["run", str(tiny), "--dry-run", "--set", fallback]) == 0
    assert "24 cases" in capfd.readouterr().err
    absent = tmp_path / "absent.yaml"
    absent.write_text(tiny.read_text().replace(str(phantom), f'"${{HEARTS:-{tmp_path / "absent"}}}"'))
    assert exit_code(["run", str(absent), "--dry-run", "--set", fallback]) == 0
    said = capfd.readouterr().err
    assert "12 cases" in said
    assert "PHANTOM DATA" in said
    assert exit_code(["run", str(absent), "--dry-run", "--set", "data.fallback=null"]) == 2
    assert "FileList.csv" in capfd.readouterr().err
    wrong = f"data.root={tmp_path / 'wrong'}"
    assert exit_code(["run", str(absent), "--dry-run", "--set", fallback, "--set", wrong]) == 2
    assert f"--set {wrong} names it" in capfd.readouterr().err
    monkeypatch.setenv("HEARTS", str(tmp_path / "wrong"))
    assert exit_code(["run", str(absent), "--dry-run", "--set", fallback]) == 2
    assert "wrong does not exist\n  hint: HEARTS names it: correct it" in capfd.readouterr().err
    monkeypatch.setenv("HEARTS", str(phantom))
    assert exit_code(["run", str(absent), "--dry-run", "--set", fallback]) == 0
    assert "24 cases" in capfd.readouterr().err
    (tmp_path / "empty").mkdir()
    assert (
        exit_code(["run", str(tiny), "--dry-run", "--set", fallback, "--set", f"data.root={tmp_path / 'empty'}"]) == 2
    )


@pytest.mark.parametrize(
    ("damage", "split"),
    [("truncated", "TRAIN"), ("text", "TRAIN"), ("missing", "TRAIN"), ("still", "TRAIN"), ("still", "TEST")],
)
def test_bad_files_are_listed_and_too_many_stop_the_run(
    damage: str, split: str, phantom: Path, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "damaged"
    shutil.copytree(phantom, root)
    cases = pd.read_csv(root / "FileList.csv")
    victim = root / "Videos" / f"{cases['FileName'][cases['Split'] == split].iloc[0]}.avi"
    if damage == "missing":
        victim.unlink()
    elif damage == "still":  # whole, but the recipe computes optical flow
        write_video(victim, read_video(victim).frames[:1], 50)
    else:
        victim.write_bytes(victim.read_bytes()[:100] if damage == "truncated" else b"this is no video at all\n" * 20)
    arguments = ["--set", f"data.root={root}", "--set", "train.epochs=1"]
    assert exit_code(["run", str(tiny), "--out", str(tmp_path), *arguments]) == 2
    assert victim.stem in capfd.readouterr().err
    made = run(tiny, tmp_path, *arguments, "--set", "data.max_unreadable=0.1")
    assert len(made.predictions) == 23
    assert f"unreadable: {victim.stem}" in (made.path / "summary.md").read_text()


@pytest.mark.slow
def test_what_a_fallback_changes_is_on_screen_in_lock_and_summary(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = TINY.format(root=tmp_path / "absent").replace(
        "absent}", "absent, fallback: {use: phantom, cases: 24, ef: wide, set: {model: {backbone: {width: 2}}}}}"
    )
    (tmp_path / "tiny.yaml").write_text(text.replace("epochs: 2", "epochs: 1").replace("best_val_auroc", "last"))
    made = run(tmp_path / "tiny.yaml", tmp_path / "runs")
    told = "model.backbone.width: 2 instead of 4"
    assert told in capfd.readouterr().err
    assert made.lock.content["data"]["fallback"] == {"model.backbone.width": {"recipe": 4, "this_run": 2}}
    assert told in (made.path / "summary.md").read_text()
    again = run(made.path / "lock.yaml", tmp_path / "again")
    assert capfd.readouterr().err.count(told) == 1
    assert again.lock.content["data"] == made.lock.content["data"]
    assert again.lock.recipe_hash == made.lock.recipe_hash
    assert told in (again.path / "summary.md").read_text()
