"""New videos with the models of a finished run."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from echokit import read_video, write_video
from echokit.cli import exit_code
from echokit.pipeline.inference.predictor import Predictor
from echokit.results.page.page_content import predictions_of
from echokit.results.run import Run
from echokit.system.csv_cells import unguard
from tests.data.video.make import blobs, write_dicom
from tests.pipeline.conftest import run
from tests.seal import reseal


def test_score_is_that_of_the_run(finished: Run, phantom: Path, capfd: pytest.CaptureFixture[str]) -> None:
    row = finished.predictions.iloc[-1]
    video = phantom / "Videos" / f"{row['case_id']}.avi"
    for _ in range(2):
        assert exit_code(["predict", str(finished.path), str(video), "--json"]) == 0
        answer = json.loads(capfd.readouterr().out)
        assert answer["data"] == "PHANTOM DATA"
        assert answer["predictions"][0]["case_id"] == row["case_id"]
        assert answer["predictions"][0]["score"] == pytest.approx(row["y_score"], abs=1e-6)


def test_whole_clips_are_padded_and_longer_ones_refused(tiny: Path, tmp_path: Path) -> None:
    recipe = (
        tiny.read_text().replace("{use: trim, frames: 12}, ", "").replace("clip: {frames: 12}", "clip: {frames: null}")
    )
    tiny.write_text(recipe)
    made = run(tiny, tmp_path, "--set", "train.epochs=1")
    videos = Path(made.lock.recipe.data.params["root"]) / "Videos"
    scores = made.predictions.set_index("case_id")["y_score"].to_dict()
    predictor = Predictor(made, "cpu")
    answers = list(predictor([(case, videos / f"{case}.avi") for case in scores]))
    assert len({answer.frames for answer in answers}) > 1
    assert {answer.case_id: answer.score for answer in answers} == pytest.approx(scores, abs=1e-6)
    from pydicom.examples import get_path

    [longer] = predictor([("longer", Path(get_path("ybr_color")))])
    assert longer.score is None
    assert longer.problem == "its window has 30 frames, and the longest clip of the run's cohort 24"


def test_dicom_is_scored_under_a_pseudonym(finished: Run, capfd: pytest.CaptureFixture[str]) -> None:
    from pydicom.examples import get_path

    assert exit_code(["predict", str(finished.path), str(get_path("ybr_color"))]) == 0
    said = capfd.readouterr().out
    assert "PHANTOM DATA" in said
    assert "case-" in said
    assert "examples_ybr_color" not in said


def test_unreadable_files_are_listed_and_the_rest_scored(
    finished: Run, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.avi").write_text("no video")
    shutil.copy(next((phantom / "Videos").iterdir()), tmp_path / "heart.avi")
    assert exit_code(["predict", str(finished.path), str(tmp_path), "--csv"]) == 2
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert lines[1].startswith("heart,0.")
    assert lines[2].startswith("text,,")
    assert "1 of 2 videos could not be scored" in err


def test_names_of_videos_are_no_formulas_in_the_table(
    finished: Run, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ["=1+1", "-12", "@x", "+y", "a, b"]
    for name in names:
        shutil.copy(next((phantom / "Videos").iterdir()), tmp_path / f"{name}.avi")
    assert exit_code(["predict", str(finished.path), str(tmp_path), "--csv"]) == 0
    cells = [row[0] for row in csv.reader(io.StringIO(capfd.readouterr().out))][1:]
    assert sorted(cells) == sorted(["'=1+1", "-12", "'@x", "'+y", "a, b"])
    assert sorted(map(unguard, cells)) == sorted(names)


def test_missing_run_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.avi").write_text("x")
    assert exit_code(["predict", str(tmp_path / "nothing"), str(tmp_path / "x.avi")]) == 2
    assert "there is no run" in capfd.readouterr().err


def test_mp4_is_scored_and_a_truncated_avi_is_damaged(
    finished: Run, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    video = next((phantom / "Videos").iterdir())
    clip = read_video(video)
    write_video(tmp_path / "heart.mp4", clip.frames, clip.fps or 30.0)
    assert exit_code(["predict", str(finished.path), str(tmp_path / "heart.mp4")]) == 0
    content = video.read_bytes()
    (tmp_path / "short.avi").write_bytes(content[: len(content) // 4])
    assert exit_code(["predict", str(finished.path), str(tmp_path / "short.avi"), "--json"]) == 2
    out, err = capfd.readouterr()
    assert "damaged, scored on their readable frames: short" in err
    assert "decoded" in out


def test_threshold_is_that_of_the_run(finished: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(finished.path, tmp_path / "runs" / "tiny" / "ruled")
    entries = json.loads((copy / "metrics.json").read_text())
    for entry in entries:
        entry["threshold"] = 0.37 if entry["metric"] == "accuracy" else entry["threshold"]
    (copy / "metrics.json").write_text(json.dumps(entries))
    reseal(copy)
    assert Predictor(finished, "cpu").threshold == 0.5
    assert Predictor(Run(copy), "cpu").threshold == 0.37
    assert predictions_of(Run(copy)).threshold == 0.37


def test_different_thresholds_of_folds_are_averaged(
    finished: Run, tmp_path: Path, phantom: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(finished.path, tmp_path / "runs" / "tiny" / "folds")
    entries = json.loads((copy / "metrics.json").read_text())
    folds = [
        {**entry, "fold": fold, "threshold": threshold}
        for entry in entries
        for fold, threshold in ((0, 0.2), (1, 0.4))
        if entry["metric"] == "accuracy" and entry["split"] == "test"
    ]
    (copy / "metrics.json").write_text(json.dumps(folds))
    reseal(copy)
    assert Predictor(Run(copy), "cpu").threshold == pytest.approx(0.3)
    assert exit_code(["predict", str(copy), str(next((phantom / "Videos").glob("*.avi")))]) == 0
    assert "from 0.3, the mean of 2 folds' thresholds (0.2 to 0.4)" in capfd.readouterr().out


def write_still(folder: Path, name: str, phantom: Path) -> Path:
    clip = read_video(next((phantom / "Videos").iterdir()))
    write_video(folder / f"{name}.avi", clip.frames[:1], 50.0)
    return folder / f"{name}.avi"


def test_a_still_costs_its_own_row_with_optical_flow(
    finished: Run, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, last, *_ = sorted((phantom / "Videos").iterdir())
    shutil.copy(first, tmp_path / "a.avi")
    write_still(tmp_path, "b", phantom)
    shutil.copy(last, tmp_path / "c.avi")
    assert exit_code(["predict", str(finished.path), str(tmp_path), "--csv"]) == 2
    out, err = capfd.readouterr()
    rows = [line.split(",") for line in out.splitlines()[1:]]
    assert [(row[0], bool(row[1])) for row in rows] == [("a", True), ("b", False), ("c", True)]
    assert "optical_flow leaves no flow" in out
    assert "1 of 3 videos could not be scored" in err


def test_what_is_no_video_is_counted_once(
    finished: Run, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("DICOMDIR", "Thumbs.db", ".DS_Store", "list.xlsx", "notes.txt", "shot.png"):
        (tmp_path / name).write_bytes(b"\0")
    shutil.copy(next((phantom / "Videos").iterdir()), tmp_path / "heart.avi")
    assert exit_code(["predict", str(finished.path), str(tmp_path), "--csv"]) == 0
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == 2
    assert "6 files are not videos" in err


DOPPLER = Dataset()
DOPPLER.RegionDataType, DOPPLER.RegionSpatialFormat = 3, 3


@pytest.mark.parametrize(
    ("elements", "flag"),
    [
        ({"Modality": "MR"}, "by its header it is not ultrasound"),
        ({"Modality": "US", "SequenceOfUltrasoundRegions": [DOPPLER]}, "spectral Doppler, by its header"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "", "0011"]}, "colour Doppler, by its header"),
        ({"BodyPartExamined": "CAROTID"}, "not the heart, by its header"),
        ({"Modality": "US"}, None),
    ],
)
def test_a_header_that_is_not_cardiac_ultrasound_is_flagged(
    finished: Run, tmp_path: Path, elements: dict[str, Any], flag: str | None
) -> None:
    path = write_dicom(tmp_path / "a.dcm", blobs(), **elements)
    series = tmp_path / "series"
    series.mkdir()
    for number, image in enumerate(blobs()):
        write_dicom(series / f"{number}.dcm", image[None], InstanceNumber=number + 1, SeriesInstanceUID="1", **elements)
    file, folder = Predictor(finished, "cpu")([("a", path), ("series", series)])
    for row in (file, folder):
        assert row.score is not None
        assert [text for text in row.flags if "header" in text] == ([flag] if flag else [])
