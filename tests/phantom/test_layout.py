"""The phantom on disk: EchoNet-Dynamic's layout to the letter, the same bytes each time, whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from echokit.errors import DataError
from echokit.phantom.layout import FILE_LIST_COLUMNS, SPLITS, TRACING_COLUMNS, assign_splits, write_phantom

CASES = 40


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("phantom") / "data"
    write_phantom(directory, cases=CASES, seed=1, workers=1)
    return directory


def read(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        return tuple(reader.fieldnames or ()), list(reader)


def contents(directory: Path) -> dict[str, str]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_file_list_is_echonets_and_true(phantom: Path) -> None:
    columns, rows = read(phantom / "FileList.csv")
    assert columns == FILE_LIST_COLUMNS
    assert columns == ("FileName", "EF", "ESV", "EDV", "FrameHeight", "FrameWidth", "FPS", "NumberOfFrames", "Split")
    assert len(rows) == CASES
    assert {f"{row['FileName']}.avi" for row in rows} == {path.name for path in (phantom / "Videos").iterdir()}
    for row in rows:
        edv, esv = float(row["EDV"]), float(row["ESV"])
        assert float(row["EF"]) == pytest.approx(100 * (edv - esv) / edv, abs=1e-4)
        assert (row["FrameHeight"], row["FrameWidth"]) == ("112", "112")


def test_videos_are_grey_motion_jpeg(phantom: Path) -> None:
    _, rows = read(phantom / "FileList.csv")
    for row in rows[:3]:
        with av.open(str(phantom / "Videos" / f"{row['FileName']}.avi")) as container:
            stream = container.streams.video[0]
            frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)])
            assert stream.codec_context.name == "mjpeg"
            assert stream.average_rate == int(row["FPS"])
        assert frames.shape == (int(row["NumberOfFrames"]), 112, 112, 3)
        assert np.ptp(frames.astype(int), axis=-1).max() <= 2
        assert frames.max() > 150


def disks(lines: list[dict[str, str]]) -> float:
    """Volume in pixels by the method of disks, from the traced lines alone."""
    points = np.array([[float(line[key]) for key in ("X1", "Y1", "X2", "Y2")] for line in lines])
    lengths = np.hypot(points[:, 2] - points[:, 0], points[:, 3] - points[:, 1])
    return float((np.pi / 4 * lengths[1:] ** 2).sum() * lengths[0] / (len(lines) - 1))


def test_tracings_give_the_label_by_the_method_of_disks(phantom: Path) -> None:
    columns, lines = read(phantom / "VolumeTracings.csv")
    assert columns == TRACING_COLUMNS == ("FileName", "X1", "Y1", "X2", "Y2", "Frame")
    _, rows = read(phantom / "FileList.csv")
    errors, diastole_first = [], []
    for row in rows:
        mine = [line for line in lines if line["FileName"] == f"{row['FileName']}.avi"]
        frames = list(dict.fromkeys(line["Frame"] for line in mine))
        assert len(frames) == 2
        assert all(0 <= int(frame) < int(row["NumberOfFrames"]) for frame in frames)
        traced = [[line for line in mine if line["Frame"] == frame] for frame in frames]
        assert [len(part) for part in traced] == [21, 21]
        # From apex to base: the long axis points down, and the chords follow it.
        heights = [float(line["Y1"]) + float(line["Y2"]) for line in traced[0][1:]]
        assert float(traced[0][0]["Y1"]) < float(traced[0][0]["Y2"])
        assert np.all(np.diff(heights) > 0)
        volumes = [disks(part) for part in traced]
        errors.append(abs(100 * (1 - min(volumes) / max(volumes)) - float(row["EF"])))
        diastole_first.append(volumes[0] > volumes[1])
    assert np.mean(np.array(errors) < 2) >= 0.95
    assert 0 < np.mean(diastole_first) < 1


def test_the_marker_says_what_it_is(phantom: Path) -> None:
    marker = json.loads((phantom / "PHANTOM_DATA.json").read_text())
    assert marker["statement"].startswith("PHANTOM DATA: synthetic")
    assert {"generator_version": 1, "seed": 1, "cases": CASES, "ef": "realistic"}.items() <= marker.items()


def test_truth_keeps_both_ejection_fractions_and_the_nuisances(phantom: Path) -> None:
    columns, truth = read(phantom / "PhantomTruth.csv")
    _, rows = read(phantom / "FileList.csv")
    assert {"EF_3d", "EF_a4c", "heart_rate", "fps", "depth", "gain", "tilt", "foreshortening"} <= set(columns)
    assert [row["EF_a4c"] for row in truth] == [row["EF"] for row in rows]
    assert any(abs(float(row["EF_3d"]) - float(row["EF_a4c"])) > 1 for row in truth)


@pytest.mark.parametrize("cases", [6, 40, 224, 1200])
@pytest.mark.parametrize("share", [0.22, 0.5])
def test_each_split_holds_both_classes(cases: int, share: float) -> None:
    reduced = max(3, round(share * cases))
    efs = [35.0] * reduced + [60.0] * (cases - reduced)
    splits = assign_splits(efs, seed=0)
    assert len(splits) == cases
    for split in SPLITS:
        inside = [ef for ef, name in zip(efs, splits, strict=True) if name == split]
        assert {ef < 50 for ef in inside} == {True, False}
    expected = 7465 / 10030 if cases >= 1000 else 0.6
    assert splits.count("TRAIN") / cases == pytest.approx(expected, abs=0.3 if cases < 10 else 0.08)


def test_same_bytes_whatever_the_workers_and_the_number_of_cases(tmp_path: Path) -> None:
    told: list[int] = []
    options: dict[str, Any] = {"seed": 5, "ef": "wide", "frames": (20, 24), "size": 64}
    write_phantom(tmp_path / "one", cases=10, workers=1, advance=told.append, **options)
    write_phantom(tmp_path / "two", cases=10, workers=2, **options)
    write_phantom(tmp_path / "few", cases=3, workers=1, **options)
    assert told == [1] * 10
    one, few = contents(tmp_path / "one"), contents(tmp_path / "few")
    assert len(one) == 14
    assert one == contents(tmp_path / "two")
    videos = {name: digest for name, digest in few.items() if name.endswith(".avi")}
    assert len(videos) == 3
    assert videos.items() <= one.items()


def test_another_seed_is_another_data_set(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_phantom(tmp_path / str(seed), cases=1, seed=seed, frames=(10, 10), size=32)
    assert not set(contents(tmp_path / "0").values()) & set(contents(tmp_path / "1").values())


def test_refuses_a_directory_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        write_phantom(tmp_path, cases=1)
    with pytest.raises(DataError, match="not empty"):
        write_phantom(tmp_path / "mine.txt", cases=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_directory_will_do_and_parents_are_made(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_phantom(tmp_path / "empty", cases=1, frames=(10, 10), size=32)
    write_phantom(tmp_path / "a" / "b", cases=1, frames=(10, 10), size=32)
    assert contents(tmp_path / "empty") == contents(tmp_path / "a" / "b")


def test_nothing_is_left_of_a_stopped_one(tmp_path: Path) -> None:
    def stop(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path / "data", cases=2, frames=(10, 10), size=32, advance=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"cases": 0}, "cases"),
        ({"seed": -1}, "seed"),
        ({"size": 113}, "size"),
        ({"frames": (9, 8)}, "frames"),
        ({"ef": "wyde"}, "ef"),
        ({"workers": 0}, "workers"),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, wrong: dict[str, Any], where: str) -> None:
    with pytest.raises(DataError) as caught:
        write_phantom(tmp_path / "data", **{"cases": 1, **wrong})
    assert caught.value.where == where
    assert caught.value.hint
    assert not (tmp_path / "data").exists()
