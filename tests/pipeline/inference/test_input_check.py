"""Flags and intervals of ``echokit predict``: what is unlike the training clips is said, what is like them is not."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from echokit import load_run, read_video, write_video
from echokit.cli import exit_code
from echokit.evaluation.statistics.conformal import conformal_half_width
from echokit.pipeline.inference.input_check import (
    TrainingReference,
    frame_statistics,
    out_of_range_flags,
    read_reference,
    write_reference,
)
from echokit.results.run import Run
from tests.conftest import TINY
from tests.tools.test_mask_videos import real_clip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Run:
    """A run that estimates EF, so that there are intervals; only read by the tests."""
    folder = tmp_path_factory.mktemp("quality")
    text = TINY.format(root=phantom).replace("optical_flow]", "optical_flow]\nobjective: ef_regression", 1)
    (folder / "tiny.yaml").write_text(text.replace("best_val_auroc", "last"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        assert exit_code(["run", str(folder / "tiny.yaml"), "--out", str(folder / "runs")]) == 0
    return load_run(folder / "runs" / "tiny")


def predicted(capfd: pytest.CaptureFixture[str], run: Run, *arguments: str, code: int = 0) -> list[dict[str, object]]:
    capfd.readouterr()
    assert exit_code(["predict", str(run.path), "--json", *arguments]) == code
    found: list[dict[str, object]] = json.loads(capfd.readouterr().out)["predictions"]
    return found


def test_clips_like_the_training_clips_are_not_flagged(
    finished: Run, phantom: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = predicted(capfd, finished, str(phantom / "Videos"))
    assert len(rows) == 24
    assert sum(bool(row["flags"]) for row in rows) <= 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frames: np.repeat(frames[:1], len(frames), axis=0), "not beating"),
        (lambda frames: frames // 6, "darker"),
        (lambda frames: np.full_like(frames, 250) - frames // 8, "brighter"),
        (lambda frames: np.ascontiguousarray(frames[:, ::-1]), "out of view"),
    ],
)
def test_unlike_clips_are_flagged(finished: Run, phantom: Path, change, said: str) -> None:  # type: ignore[no-untyped-def]
    reference = read_reference(finished.path)
    assert reference is not None
    picture = np.mean(
        [frame_statistics(read_video(p).frames).mean_frame for p in (phantom / "Videos").iterdir()], axis=0
    )
    reference = TrainingReference(reference.clips, reference.ranges, picture, 0.8)
    frames = read_video(next((phantom / "Videos").iterdir())).frames
    assert not any(said in flag for flag in out_of_range_flags(frames, reference))
    assert any(said in flag for flag in out_of_range_flags(change(frames), reference))


def test_few_clips_have_no_mean_frame(finished: Run, tmp_path: Path) -> None:
    reference = read_reference(finished.path)
    assert reference is not None
    assert reference.clips < 20
    assert reference.mean_frame is None  # it would show one of the few
    write_reference(reference, tmp_path)
    assert read_reference(tmp_path) == reference
    (tmp_path / "quality.json").write_text("{")
    assert read_reference(tmp_path) is None


def test_interval_of_an_estimate_follows_validation_errors(
    finished: Run, phantom: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table = finished.predictions
    val = table[table["split"] == "val"]
    half = conformal_half_width(val["prediction"], val["target"], 0.9)
    row = predicted(capfd, finished, str(next((phantom / "Videos").iterdir())))[0]
    if half is None:
        assert row["interval"] is None
    else:
        low, high = row["interval"]  # type: ignore[misc]
        assert (high - low) / 2 == pytest.approx(half)


def test_split_conformal_interval_has_its_coverage() -> None:
    rng = np.random.default_rng(0)
    held = []
    for _ in range(2000):
        errors = rng.standard_t(3, 40)
        half = conformal_half_width(errors[:39], np.zeros(39), 0.9)
        assert half is not None
        held.append(abs(errors[39]) <= half)
    assert 0.88 < np.mean(held) < 0.92
    assert conformal_half_width([1.0] * 8, [0.0] * 8, 0.9) is None


def test_video_without_a_sector_has_no_overlay(tmp_path: Path) -> None:
    """Nothing then tells where a name may stand."""
    from echokit.errors import VideoError
    from echokit.tools.overlay_videos import write_overlay

    write_video(tmp_path / "black.avi", np.zeros((6, 64, 64), np.uint8), 30)
    with pytest.raises(VideoError, match="no fan"):
        write_overlay(tmp_path / "out.mp4", tmp_path / "black.avi", (), ["words"], None)
    assert not (tmp_path / "out.mp4").exists()


def test_every_scored_video_has_an_overlay(
    finished: Run, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    shutil.copy(next((phantom / "Videos").iterdir()), source / "one.avi")
    write_video(source / "two.avi", read_video(real_clip()).frames, 30)
    (source / "broken.avi").write_bytes(b"no video")
    rows = predicted(capfd, finished, str(source), "--overlays", str(tmp_path / "out"), code=2)
    assert [row["case_id"] for row in rows if row["problem"]] == ["broken"]
    videos = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert videos == ["one.mp4", "two.mp4"]
    before, after = read_video(source / "two.avi"), read_video(tmp_path / "out" / "two.mp4")
    assert len(after) == len(before)
    assert after.frames.shape[1] > before.frames.shape[1]  # the words above
    corner = after.frames[:, -40:-8, 8:60]  # of the interface, which may name a patient
    assert before.frames[:, -20:-4, 4:30].max() < 60 or corner.max() < 40
    assert after.frames[:, -after.frames.shape[1] // 2 :, after.frames.shape[2] // 2 - 40 :].max() > 60
