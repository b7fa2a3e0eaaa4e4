"""The layout of EchoNet-Dynamic to the letter, the same bytes each time, whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from echokit.phantom.write_echonet_dynamic import (
    FILE_LIST_COLUMNS,
    SPLITS,
    TRACING_COLUMNS,
    assign_splits,
    write_phantom,
)
from tests.expect import refused

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


def test_the_file_list_matches_echonet_dynamic(phantom: Path) -> None:
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


def test_the_marker_describes_the_phantom(phantom: Path) -> None:
    marker = json.loads((phantom / "PHANTOM_DATA.json").read_text())
    assert list(marker) == [
        *("statement", "generator", "generator_version", "layout", "seed", "cases", "ef", "size", "frames")
    ]
    assert marker["statement"].startswith("PHANTOM DATA:")
    assert {"generator_version": 1, "seed": 1, "cases": CASES, "ef": "realistic"}.items() <= marker.items()


def test_the_truth_has_both_ejection_fractions_and_nuisances(phantom: Path) -> None:
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


def test_same_bytes_for_any_number_of_workers_and_cases(tmp_path: Path) -> None:
    advances: list[int] = []
    options: dict[str, Any] = {"seed": 5, "ef": "wide", "frames": (20, 24), "size": 64}
    write_phantom(tmp_path / "one", cases=10, workers=1, advance=advances.append, **options)
    write_phantom(tmp_path / "two", cases=10, workers=2, **options)
    write_phantom(tmp_path / "few", cases=3, workers=1, **options)
    assert advances == [1] * 10
    one, few = contents(tmp_path / "one"), contents(tmp_path / "few")
    assert len(one) == 14
    assert one == contents(tmp_path / "two")
    videos = {name: digest for name, digest in few.items() if name.endswith(".avi")}
    assert len(videos) == 3
    assert videos.items() <= one.items()


def test_another_seed_gives_other_files(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_phantom(tmp_path / str(seed), cases=1, seed=seed, frames=(10, 10), size=32)
    assert not set(contents(tmp_path / "0").values()) & set(contents(tmp_path / "1").values())


def test_a_directory_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with refused("phantom.not_empty", where=str(tmp_path)):
        write_phantom(tmp_path, cases=1)
    with refused("phantom.not_empty", where="mine.txt"):
        write_phantom(tmp_path / "mine.txt", cases=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_directory_is_used_and_parents_are_created(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_phantom(tmp_path / "empty", cases=1, frames=(10, 10), size=32)
    write_phantom(tmp_path / "a" / "b", cases=1, frames=(10, 10), size=32)
    assert contents(tmp_path / "empty") == contents(tmp_path / "a" / "b")


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path) -> None:
    def stop(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path / "data", cases=2, frames=(10, 10), size=32, advance=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("cases", 0), ("seed", -1), ("size", 113), ("size", 30), ("frames", (9, 8)), ("frames", (1, 8)), ("workers", 0)],
)
def test_an_argument_out_of_range_is_refused(tmp_path: Path, name: str, value: Any) -> None:
    with refused("phantom.out_of_range", where=name) as caught:
        write_phantom(tmp_path / "data", **{"cases": 1, name: value})
    assert caught.value.hint
    assert not (tmp_path / "data").exists()


def test_an_unknown_distribution_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    with refused("phantom.unknown_ef", where="ef") as caught:
        write_phantom(tmp_path / "data", cases=1, ef="wyde")  # type: ignore[arg-type]
    assert "wide" in str(caught.value.hint)
