"""Leaks that are planted: a patient, or a recording under two names, in the training and the test part."""

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from echokit import Cohort, Fold, load_run, read_video, write_video
from echokit.cli import exit_code
from echokit.data.clips.clip_store import ClipStore
from echokit.data.cohort.targets import Targets
from echokit.data.splits.leakage import check_fold, refuse_leaks
from echokit.plugins.discovery import installed
from tests.conftest import TINY
from tests.expect import refused

PLANTED = 100


@pytest.fixture(scope="module")
def headers(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Mapping[str, Any]]:
    """What 24 clips and one copy, written again without loss, say of themselves."""
    videos = sorted((phantom / "Videos").glob("*.avi"))
    folder = tmp_path_factory.mktemp("copies")
    copy = folder / "another_name.avi"
    shutil.copy(videos[0], copy)
    copy.write_bytes(copy.read_bytes() + b"\0" * 64)  # other bytes, the same frames
    sources = [(path.stem, path) for path in (*videos, copy)]
    return ClipStore(folder / "store").prepare(sources, (), workers=1).clips.headers


def cohort_of(patients: list[str], y: np.ndarray) -> Cohort:
    names = [f"case-{row}" for row in range(len(patients))]
    cases = pd.DataFrame({"case_id": names, "patient_id": patients, "source": "", "split": "", "y_true": y})
    return Cohort(cases, "trial")


def divided(cohort: Cohort, seed: int, name: str = "kfold") -> list[Fold]:
    return list(installed().registry.get("resampler", name).load()()(cohort, seed))


def test_the_same_frames_have_the_same_content_whatever_the_file(headers: list[Mapping[str, Any]]) -> None:
    contents = [header["content"] for header in headers]
    assert contents[0] == contents[-1]
    assert len(set(contents)) == 24
    assert headers[0]["source"] is not None


@pytest.mark.parametrize("name", ["kfold", "holdout", "nested"])
def test_recording_of_two_patients_is_always_found(headers: list[Mapping[str, Any]], name: str) -> None:
    """The labels of the two are drawn apart: half of the leaks tell nothing that a metric could show."""
    caught = 0
    for trial in range(PLANTED):
        rng = np.random.default_rng(trial)
        rows = list(range(24))
        rows.insert(int(rng.integers(25)), int(rng.integers(24)))  # one clip once more, under another patient
        y = rng.permutation(np.arange(25) % 2)
        cohort = cohort_of([f"p{row}" for row in range(25)], y)
        with refused("leak.same_recording") as error:
            refuse_leaks(cohort.cases, [headers[row] for row in rows], divided(cohort, trial, name), by_patient=True)
        twice = [f"case-{row}" for row, clip in enumerate(rows) if rows.count(clip) > 1]
        caught += all(case in error.value.message for case in twice)
    assert caught == PLANTED


def test_a_patient_in_two_parts_is_caught_every_time() -> None:
    y = np.arange(24) // 2 % 2
    cohort = cohort_of([f"p{row // 2}" for row in range(24)], y)
    targets = Targets(y, y.astype(float))
    caught = 0
    for trial in range(PLANTED):
        rng = np.random.default_rng(trial)
        for fold in divided(cohort, trial):
            check_fold(fold, targets, cohort.cases["patient_id"].to_numpy())
        moved = rng.choice(fold.train)
        leaking = dataclasses.replace(fold, train=fold.train[fold.train != moved], test=np.append(fold.test, moved))
        with refused("fold.patient_overlap"):
            check_fold(leaking, targets, cohort.cases["patient_id"].to_numpy())
        caught += 1
    assert caught == PLANTED


def test_clean_clips_and_two_clips_of_one_patient_pass(headers: list[Mapping[str, Any]]) -> None:
    y = np.arange(24) % 2
    cohort = cohort_of([f"p{row}" for row in range(24)], y)
    assert refuse_leaks(cohort.cases, headers[:24], divided(cohort, 0), by_patient=True) == []
    same = cohort_of([f"p{row % 24}" for row in range(25)], np.append(y, y[0]))
    [told] = refuse_leaks(same.cases, headers, divided(same, 0), by_patient=True)
    assert told == "1 recordings occur more than once, inside one set: case-0 = case-24"


def test_the_datasets_own_division_is_refused_only_where_it_leaks(headers: list[Mapping[str, Any]]) -> None:
    cohort = cohort_of([f"p{row}" for row in range(25)], np.arange(25) % 2)
    rows = np.arange(1, 24)
    inside = Fold(0, 0, np.array([0, 24, *rows[:12]]), rows[12:16], rows[16:])
    [told] = refuse_leaks(cohort.cases, headers, [inside], by_patient=False)
    assert "case-0 = case-24" in told
    across = Fold(0, 0, np.array([0, *rows[:12]]), rows[12:16], np.array([24, *rows[16:]]))
    with refused("leak.same_recording", names=("case-0 = case-24", "train", "test")):
        refuse_leaks(cohort.cases, headers, [across], by_patient=False)


def test_recompressed_recording_is_a_warning(phantom: Path, tmp_path: Path) -> None:
    videos = sorted((phantom / "Videos").glob("*.avi"))
    clip = read_video(videos[3])
    write_video(tmp_path / "again.mp4", clip.frames, clip.fps or 30)
    sources = [(path.stem, path) for path in (*videos, tmp_path / "again.mp4")]
    headers = ClipStore(tmp_path / "store").prepare(sources, (), workers=1).clips.headers
    cohort = cohort_of([f"p{row}" for row in range(25)], np.arange(25) % 2)
    [told] = refuse_leaks(cohort.cases, headers, divided(cohort, 0), by_patient=True)
    assert "case-3 ~ case-24" in told


def test_run_with_a_leak_stops_before_training(
    phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "leaking"
    shutil.copytree(phantom, root)
    lines = (root / "FileList.csv").read_text().splitlines()
    first = lines[1].split(",")
    shutil.copy(root / "Videos" / f"{first[0]}.avi", root / "Videos" / "0XCOPY.avi")
    (root / "FileList.csv").write_text("\n".join([*lines, ",".join(["0XCOPY", *first[1:]])]) + "\n")
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(TINY.format(root=root).replace("best_val_auroc", "last") + "resample: {use: kfold, k: 3}\n")
    assert exit_code(["run", str(recipe), "--out", str(tmp_path / "runs")]) == 2
    said = capfd.readouterr().err
    assert f"{first[0]} = 0XCOPY" in said
    assert "two patients' names" in said or "set of a fold" in said
    with refused("run.not_found"):
        load_run(tmp_path / "runs" / "tiny")
