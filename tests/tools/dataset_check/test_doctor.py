"""A defect is planted for every check; the doctor finds it, and says nothing else."""

import csv
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path, PosixPath
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from echokit import read_video, write_video
from echokit.cli import exit_code
from echokit.data.cohort.echonet_dynamic import EchonetDynamic
from echokit.data.cohort.exclusions import exclude
from echokit.data.cohort.hospital_table import Table
from echokit.data.cohort.target import TargetSettings, targets_of
from echokit.errors import DataError
from echokit.phantom.layouts import LAYOUTS
from echokit.phantom.write_echonet_dynamic import write_phantom
from echokit.system.worker_pool import CRASHED
from echokit.tools.dataset_check.check_dataset import Checkup, check_dataset
from echokit.tools.dataset_check.survey import Listed, Survey
from echokit.tools.dataset_check.table_checks import check_tables
from echokit.tools.dataset_check.videos import describe_videos
from tests.expect import refused

USUAL = {"class_balance", "frame_rates"}
Rows = list[dict[str, str]]


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clean") / "data"
    write_phantom(root, cases=16, seed=4, ef="wide", frames=(40, 44), size=64, workers=1)
    return root


@pytest.fixture
def root(clean: Path, tmp_path: Path) -> Path:
    shutil.copytree(clean, tmp_path / "data")
    return tmp_path / "data"


def read(place: Path) -> Rows:
    with place.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def write(place: Path, rows: Rows) -> None:
    with place.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def check(place: Path, **parameters: Any) -> Checkup:
    return check_dataset(place, parameters, workers=1)


def found(checkup: Checkup) -> dict[str, int]:
    return {one.check: one.count for one in checkup.findings if one.count and one.check not in USUAL}


def names(root: Path) -> list[str]:
    return [row["FileName"] for row in read(root / "FileList.csv")]


def video(root: Path, name: str) -> Path:
    return root / "Videos" / f"{name}.avi"


def of_split(root: Path, split: str, number: int = 0) -> str:
    return [row["FileName"] for row in read(root / "FileList.csv") if row["Split"] == split][number]


def set_cell(root: Path, index: int, **cells: str) -> str:
    rows = read(root / "FileList.csv")
    rows[index].update(cells)
    write(root / "FileList.csv", rows)
    return rows[index]["FileName"]


def test_a_clean_dataset_is_called_clean(clean: Path) -> None:
    checkup = check(clean)
    assert not {name: count for name, count in found(checkup).items() if name != "short_clip"}
    assert not checkup.corrupting
    assert not checkup.exclusions()
    assert checkup.phantom
    assert checkup.cases == 16
    assert checkup.frames == sum(int(row["NumberOfFrames"]) for row in read(clean / "FileList.csv"))


def missing(root: Path) -> str:
    name = names(root)[3]
    video(root, name).unlink()
    return name


def unreadable(root: Path) -> str:
    name = names(root)[3]
    video(root, name).write_bytes(b"RIFF0000AVI nothing")
    return name


def damaged(root: Path) -> str:
    name = names(root)[3]
    whole = video(root, name).read_bytes()
    video(root, name).write_bytes(whole[: len(whole) // 2])
    return name


def extra(root: Path) -> str:
    shutil.copy(video(root, names(root)[0]), root / "Videos" / "0XEXTRA.avi")
    return "0XEXTRA.avi"


def duplicate_row(root: Path) -> str:
    rows = read(root / "FileList.csv")
    write(root / "FileList.csv", [*rows, rows[2]])
    return rows[2]["FileName"]


def bad_name(root: Path) -> str:
    rows = read(root / "FileList.csv")
    write(root / "FileList.csv", [*rows, {**rows[0], "FileName": "../../etc/passwd"}])
    return "line 18"


def same_content(root: Path, first: str, second: str, label: bool) -> str:
    """The same frames in another file: decoded content counts, not bytes."""
    clip = read_video(video(root, first))
    write_video(video(root, first), clip.frames, clip.fps or 30)
    frames = read_video(video(root, first)).frames
    path = video(root, second)
    shutil.copy(video(root, first), path)
    path.write_bytes(path.read_bytes() + b"JUNK\0\0\0\0")
    assert np.array_equal(read_video(path).frames, frames)
    rows = read(root / "FileList.csv")
    by = {row["FileName"]: row for row in rows}
    kept = ("FileName", "Split") if label else ("FileName", "Split", "EF", "ESV", "EDV")
    by[second].update({key: value for key, value in by[first].items() if key not in kept})
    write(root / "FileList.csv", rows)
    return second


def duplicate_within(root: Path) -> str:
    return same_content(root, of_split(root, "TRAIN"), of_split(root, "TRAIN", 1), True)


def duplicate_across(root: Path) -> str:
    return same_content(root, of_split(root, "TEST"), of_split(root, "TRAIN", 1), True)


def duplicate_target(root: Path) -> str:
    return same_content(root, of_split(root, "TRAIN"), of_split(root, "TRAIN", 1), False)


def near_duplicate(root: Path, down: int = 1, across: int = 1) -> str:
    first, second = of_split(root, "TEST"), of_split(root, "TRAIN", 1)
    clip = read_video(video(root, first))
    frames = [cv2.resize(cv2.resize(frame, (56, 56)), (64, 64)) for frame in clip.frames[2:, ::down, ::across]]
    write_video(video(root, second), np.stack(frames), clip.fps or 30)
    rows = read(root / "FileList.csv")
    for row in rows:
        if row["FileName"] == second:
            row.update(NumberOfFrames=str(len(frames)), FPS=f"{clip.fps:g}")
    write(root / "FileList.csv", rows)
    return second


def odd_size(root: Path) -> str:
    name = set_cell(root, 5, FrameHeight="96", FrameWidth="80")
    clip = read_video(video(root, name))
    frames = np.stack([cv2.resize(frame, (80, 96)) for frame in clip.frames])
    write_video(video(root, name), frames, clip.fps or 30)
    return name


def dark(root: Path) -> str:
    name = names(root)[6]
    clip = read_video(video(root, name))
    write_video(video(root, name), clip.frames * 0, clip.fps or 30)
    return name


def still(root: Path) -> str:
    name = names(root)[6]
    clip = read_video(video(root, name))
    write_video(video(root, name), np.repeat(clip.frames[:1], len(clip), 0), clip.fps or 30)
    return name


def fast(root: Path) -> str:
    name = set_cell(root, 7, FPS="300")
    clip = read_video(video(root, name))
    write_video(video(root, name), clip.frames, 300)
    return name


def one_class(root: Path) -> str:
    rows = read(root / "FileList.csv")
    for row in rows:
        if row["Split"] == "VAL":
            row.update(EF="60", ESV="40", EDV="100")
    write(root / "FileList.csv", rows)
    return "val"


PLANTED: list[tuple[str, str, Callable[[Path], str], set[str]]] = [
    ("missing_video", "error", missing, set()),
    ("unreadable_video", "error", unreadable, set()),
    ("damaged_video", "error", damaged, {"frame_count", "malformed_tracing"}),
    ("extra_video", "warning", extra, set()),
    ("duplicate_row", "error", duplicate_row, set()),
    ("bad_name", "error", bad_name, set()),
    ("duplicate_video", "warning", duplicate_within, {"malformed_tracing"}),
    ("duplicate_across_splits", "error", duplicate_across, {"malformed_tracing"}),
    ("duplicate_other_target", "error", duplicate_target, {"malformed_tracing"}),
    ("near_duplicate_across_splits", "error", near_duplicate, {"malformed_tracing"}),
    ("near_duplicate_across_splits", "error", partial(near_duplicate, across=-1), {"malformed_tracing"}),
    ("near_duplicate_across_splits", "error", partial(near_duplicate, down=-1), {"malformed_tracing"}),
    ("odd_size", "warning", odd_size, {"malformed_tracing"}),
    ("listed_size", "note", lambda root: set_cell(root, 1, FrameHeight="768", FrameWidth="1024"), set()),
    ("frame_count", "warning", lambda root: set_cell(root, 1, NumberOfFrames="99"), set()),
    ("frame_rate_differs", "warning", lambda root: set_cell(root, 1, FPS="61"), set()),
    ("frame_rate_unusual", "warning", fast, set()),
    ("dark_video", "error", dark, set()),
    ("still_video", "error", still, set()),
    ("unknown_target", "error", lambda root: set_cell(root, 2, EF=""), set()),
    ("malformed_number", "warning", lambda root: set_cell(root, 2, FPS="fifty"), set()),
    ("impossible_label", "error", lambda root: set_cell(root, 2, EF="140", EDV="0", ESV="0"), set()),
    ("impossible_label", "error", lambda root: set_cell(root, 2, EDV="50", ESV="70", EF="40"), {"ef_against_volumes"}),
    ("impossible_value", "warning", lambda root: set_cell(root, 2, FPS="-3"), set()),
    ("ef_against_volumes", "error", lambda root: set_cell(root, 2, EF="70", EDV="100", ESV="40"), set()),
    ("unknown_split", "error", lambda root: set_cell(root, 2, Split="HOLDOUT"), {"class_missing"}),
    ("class_missing", "error", one_class, {"class_balance_differs"}),
]


@pytest.mark.parametrize(
    ("name", "level", "plant", "besides"), PLANTED, ids=[f"{p[0]}-{i}" for i, p in enumerate(PLANTED)]
)
def test_a_planted_defect_is_found_alone(
    root: Path, name: str, level: str, plant: Callable[[Path], str], besides: set[str]
) -> None:
    where = plant(root)
    checkup = check(root)
    assert set(found(checkup)) - besides - {"short_clip"} == {name}
    one = next(one for one in checkup.findings if one.check == name)
    assert one.count == 1
    assert one.level == level
    assert where in one.examples[0]
    assert checkup.corrupting == any(f.count and f.level == "error" for f in checkup.findings)


def test_a_short_clip_is_told_by_its_heart_rate_or_a_second(root: Path) -> None:
    before = found(check(root)).get("short_clip", 0)
    name = names(root)[1]
    clip = read_video(video(root, name))
    write_video(video(root, name), clip.frames[:8], clip.fps or 30)
    assert found(check(root))["short_clip"] == before + 1 or before == 16


def test_fractions_instead_of_percent_are_one_finding(root: Path) -> None:
    rows = read(root / "FileList.csv")
    for row in rows:
        row["EF"] = f"{float(row['EF']) / 100:.6f}"
    write(root / "FileList.csv", rows)
    checkup = check(root)
    assert set(found(checkup)) - {"short_clip"} == {"ef_as_fraction"}
    assert checkup.corrupting
    one = next(one for one in checkup.findings if one.check == "ef_as_fraction")
    assert one.examples[0].startswith("EF (0.")
    cohort, settings = EchonetDynamic(root=str(root))(), {"from": "ef", "positive": "reduced"}
    with refused("target.fractions", names=("'ef'", "50")):
        targets_of(cohort, TargetSettings(**settings, below=50))
    assert 0 < targets_of(cohort, TargetSettings(**settings, below=0.5)).y_true.mean() < 1


def test_a_row_with_a_comma_too_many_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("FileList.csv", "VolumeTracings.csv"):
        lines = (root / name).read_text().splitlines()
        whole = "\n".join(lines) + "\n"
        (root / name).write_text("\n".join([lines[0], *(line + "," for line in lines[1:])]) + "\n")
        code, said = exit_code(["data", "check", str(root)]), capsys.readouterr()
        assert f"{name}:2: the row has " in said.out + said.err
        assert code == (2 if name == "FileList.csv" else 0)
        (root / name).write_text(whole)


def test_an_unusual_balance_is_told() -> None:
    def listed(number: int, split: str, ef: float) -> Listed:
        return Listed(f"{split}{number}", f"{split}{number}", split, Path("x"), {"ef": ef}, ef)

    usual = [listed(n, split, 30 if n < 40 else 60) for split in ("train", "val") for n in range(200)]
    for reduced, told in ((40, 0), (50, 0), (75, 1)):
        rows = [*usual, *(listed(n, "test", 30 if n < reduced else 60) for n in range(200))]
        findings = {one.check: one for one in check_tables(Survey("any", False, tuple(rows), ()))}
        assert findings["class_balance_differs"].count == told
        assert f"test: {reduced} of 200 positive" in findings["class_balance"].examples[0]


TRACED = [
    ("malformed_tracing", lambda rows: rows[25].update(X1="left")),
    ("malformed_tracing", lambda rows: rows[25].update(Y2="400")),
    ("malformed_tracing", lambda rows: [row.update(Frame="900") for row in rows[:21]]),
    ("malformed_tracing", lambda rows: [row.update(Frame=rows[21]["Frame"]) for row in rows[:21]]),
    ("malformed_tracing", lambda rows: rows.__delitem__(slice(0, 19))),
    ("untraced", lambda rows: rows.__delitem__(slice(0, 42))),
    ("extra_tracing", lambda rows: rows.append({**rows[0], "FileName": "0XSTRANGER.avi"})),
]


@pytest.mark.parametrize(("name", "plant"), TRACED, ids=[f"{p[0]}-{i}" for i, p in enumerate(TRACED)])
def test_a_planted_tracing_is_found(root: Path, name: str, plant: Callable[[Rows], object]) -> None:
    rows = read(root / "VolumeTracings.csv")
    plant(rows)
    write(root / "VolumeTracings.csv", rows)
    checkup = check(root)
    assert {key: count for key, count in found(checkup).items() if key != "short_clip"} == {name: 1}
    assert not checkup.corrupting


def test_tracings_that_are_no_table_are_told(root: Path) -> None:
    (root / "VolumeTracings.csv").write_text("a,b\n1,2\n")
    assert found(check(root))["tracing_table"] == 1
    (root / "VolumeTracings.csv").unlink()
    assert found(check(root))["tracing_table"] == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [("[" * 100_000, "exclude.not_json"), ('["a", ["b"]]', "exclude.not_names"), ("[1", "exclude.not_json")],
)
def test_bad_list_of_exclusions_is_refused(root: Path, tmp_path: Path, text: str, code: str) -> None:
    (tmp_path / "list.json").write_text(text)
    with refused(code):
        exclude(EchonetDynamic(root=str(root))(), tmp_path / "list.json")


def test_a_list_of_exclusions_may_begin_with_a_mark(root: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("".join(f"{name}\n" for name in names(root)[:2]), encoding="utf-8-sig")
    left = exclude(EchonetDynamic(root=str(root))(), tmp_path / "list.txt")
    assert left.excluded == 2


def test_exclusions_are_what_a_recipe_reads(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone, broken, kept = missing(root), names(root)[4], of_split(root, "TEST")
    video(root, broken).write_bytes(b"")
    copied = duplicate_across(root)
    listing = tmp_path / "left_out.txt"
    assert exit_code(["data", "check", str(root), "--exclusions", str(listing)]) == 1
    left = exclude(EchonetDynamic(root=str(root))(), listing)
    assert {gone, broken, copied}.isdisjoint(left.cases["case_id"])
    assert kept in left.cases["case_id"].tolist()
    assert len(left) == 13
    assert "duplicate_across_splits" in listing.read_text()
    said = capsys.readouterr()
    assert f"3 cases to exclude: {listing}" in said.err
    listing.write_text("my own list\n")
    assert exit_code(["data", "check", str(root), "--exclusions", str(listing)]) == 2
    assert listing.read_text() == "my own list\n"


def test_json_and_exit_codes(clean: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["data", "check", str(clean), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["data"] == "PHANTOM DATA"
    assert answer["corrupting"] is False
    assert {"check", "level", "says", "count", "examples", "hint", "exclude"} == set(answer["checks"][0])
    unreadable(root)
    assert exit_code(["data", "check", str(root)]) == 1
    assert "unreadable_video" in capsys.readouterr().out
    assert exit_code(["data", "check", str(root / "nowhere")]) == 2


def test_the_number_of_workers_changes_nothing(root: Path) -> None:
    duplicate_across(root)
    one, two = (check_dataset(root, workers=workers) for workers in (1, 2))
    assert one == two


def test_a_directory_of_no_layout_is_said(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with refused("dataset.other_layout"):
        check(tmp_path)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("others")
    for name in ("echonet_pediatric", "camus", "table"):
        LAYOUTS[name].load()(folder / name, cases=20, seed=3, ef="wide", size=32, frames=(36, 40), workers=1)
    return folder


@pytest.mark.parametrize("layout", ["echonet_pediatric", "camus", "table"])
def test_the_other_layouts_are_examined_too(others: Path, layout: str) -> None:
    checkup = check(others / layout)
    usual = {"short_clip", "class_missing", "class_balance_differs", "frame_rate_unknown"}
    assert not {key: value for key, value in found(checkup).items() if key not in usual}
    assert checkup.cases >= 20
    assert checkup.phantom


def test_a_patient_of_a_converted_dataset_in_two_splits_is_found(root: Path) -> None:
    listing = read(root / "FileList.csv")
    first, other = listing[0], next(row for row in listing if row["Split"] != listing[0]["Split"])
    for number, row in enumerate(listing):
        row["PatientId"] = f"patient-{number}"
    other["PatientId"] = first["PatientId"]
    write(root / "FileList.csv", listing)
    assert found(check(root))["patient_in_two_splits"] == 1
    with refused("cohort.patient_in_two_splits"):
        EchonetDynamic(root=str(root))()
    for row in listing:
        row["PatientId"] = ""
    write(root / "FileList.csv", listing)
    assert "patient_in_two_splits" not in found(check(root))
    assert EchonetDynamic(root=str(root))().cases["patient_id"].is_unique


def test_patients_of_both_classes_are_found(root: Path, others: Path, tmp_path: Path) -> None:
    listing = read(root / "FileList.csv")
    low = next(row for row in listing if float(row["EF"]) < 50)
    high = next(row for row in listing if float(row["EF"]) >= 50 and row["Split"] == low["Split"])
    for number, row in enumerate(listing):
        row["PatientId"] = f"patient-{number}"
    low["PatientId"] = high["PatientId"]
    write(root / "FileList.csv", listing)
    assert found(check(root)).get("both_classes") == 1
    assert "two_outcomes" not in found(check(root))
    table = shutil.copytree(others / "table", tmp_path / "table")
    rows = read(table / "cases.csv")
    for number, row in enumerate(rows):
        row["target"] = str(number % 2)
    rows[1]["patient_id"], rows[1]["split"] = rows[0]["patient_id"], rows[0]["split"]
    write(table / "cases.csv", rows)
    assert found(check(table))["two_outcomes"] >= 1


def test_a_pediatric_patient_in_two_folds_is_found(others: Path, tmp_path: Path) -> None:
    root = shutil.copytree(others / "echonet_pediatric", tmp_path / "data")
    rows = read(root / "A4C" / "FileList.csv")
    first = rows[0]
    first["Split"] = str((int(first["Split"]) + 1) % 10)
    rows.append({**rows[1], "FileName": "nonsense.avi"})
    write(root / "A4C" / "FileList.csv", rows)
    checkup = check(root)
    assert found(checkup)["patient_in_two_splits"] == 1
    assert found(checkup)["unnamed_patient"] == 1
    assert found(checkup)["missing_video"] == 1
    assert checkup.corrupting


def test_camus_patients_and_files_are_compared(others: Path, tmp_path: Path) -> None:
    root = shutil.copytree(others / "camus", tmp_path / "data")
    trained = (root / "subgroup_training.txt").read_text().split()[0]
    (root / "subgroup_testing.txt").write_text(f"{trained}\npatient0099\n")
    (root / "patient0003" / "patient0003_2CH_ED_gt.nii.gz").unlink()
    (root / "patient0004" / "Info_4CH.cfg").write_text("EF: 300\nNbFrame: 7\nnonsense\n")
    checkup = check(root)
    says = found(checkup)
    assert {"patient_in_two_subgroups", "absent_patient", "untraced", "info_line", "half_cycle", "impossible_label",
            "frame_count", "unknown_split"} <= set(says)  # fmt: skip
    assert checkup.corrupting


def test_a_hospitals_table_is_examined_under_pseudonyms(others: Path, tmp_path: Path) -> None:
    root = shutil.copytree(others / "table", tmp_path / "data")
    rows = read(root / "cases.csv")
    (root / rows[0]["source"]).unlink()
    rows[1]["patient_id"] = ""
    rows[2]["source"] = "../../etc/passwd"
    rows[3]["split"] = "holdout"
    other = next(row for row in rows[6:] if row["split"] != rows[5]["split"])
    other["patient_id"] = rows[5]["patient_id"]
    write(root / "cases.csv", rows)
    checkup = check(root)
    assert {
        "missing_video",
        "no_patient",
        "bad_source",
        "unknown_split",
        "patient_in_two_splits",
        "extra_video",
    } <= set(found(checkup))
    text = json.dumps([[one.check, one.examples, one.exclude] for one in checkup.findings])
    for secret in ("MRN", "Abernathy", "visit", "passwd"):
        assert secret not in text
    cases = Table(table=str(others / "table" / "cases.csv"))().cases
    assert set(checkup.exclusions()) <= set(cases["case_id"])
    assert cases["case_id"][0] in checkup.exclusions()


def test_outcome_by_a_horizon_is_checked_as_in_the_dataset(others: Path) -> None:
    place = others / "table" / "cases.csv"
    parameters = {"target": "dead", "horizon": 365, "time": "days", "event": "died"}
    unknown = Table(table=str(place), **parameters)().unknown  # type: ignore[arg-type]
    assert found(check(others / "table", **parameters)).get("unknown_target", 0) == len(unknown)
    with refused("parameter.unknown", names=("'horizn'",)):
        check(place, horizn=3)


def test_names_that_a_plain_list_can_not_hold_are_written_as_json(root: Path, tmp_path: Path) -> None:
    from echokit.tools.dataset_check.report import write_exclusions

    rows = read(root / "FileList.csv")
    rows.append({**rows[0], "FileName": "a # b"})
    write(root / "FileList.csv", rows)
    listing = tmp_path / "list.txt"
    assert write_exclusions(check(root), listing) == 1
    assert json.loads(listing.read_text()) == ["a # b"]


def test_copies_without_a_split_count_if_they_are_of_two_patients(others: Path, tmp_path: Path) -> None:
    root = shutil.copytree(others / "table", tmp_path / "data")
    rows = [{key: value for key, value in row.items() if key != "split"} for row in read(root / "cases.csv")]
    avis = [row for row in rows if row["source"].endswith(".avi")]
    shutil.copy(root / avis[0]["source"], root / avis[1]["source"])
    avis[1]["target"] = avis[0]["target"]
    write(root / "cases.csv", rows)
    assert found(check(root))["duplicate_across_splits"] == 1
    avis[1]["patient_id"] = avis[0]["patient_id"]
    write(root / "cases.csv", rows)
    assert found(check(root))["duplicate_video"] == 1


def test_a_patient_under_two_names_is_found_by_the_headers(others: Path, tmp_path: Path) -> None:
    root = shutil.copytree(others / "table", tmp_path / "data")
    rows = read(root / "cases.csv")
    twice = next(
        (one, other)
        for one in rows
        for other in rows
        if one is not other and one["patient_id"] == other["patient_id"] and Path(root / one["source"]).suffix == ".dcm"
    )
    shutil.rmtree(root / twice[1]["source"], ignore_errors=True)
    (root / twice[1]["source"]).unlink(missing_ok=True)
    shutil.copy(root / twice[0]["source"], root / twice[1]["source"])
    twice[1]["patient_id"] = "MRN-9999"
    write(root / "cases.csv", rows)
    checkup = check(root)
    assert found(checkup)["patient_under_two_names"] == 1
    assert checkup.corrupting


class Deadly(PosixPath):
    """A video that takes down the process that it is handed to, as a crashing decoder does."""

    def __reduce__(self) -> Any:
        return os._exit, (9,)


def test_a_decoder_that_crashes_costs_its_video_only(clean: Path) -> None:
    paths: list[Path] = [*sorted((clean / "Videos").iterdir())]
    paths[2] = Deadly(paths[2])
    paths[9] = Deadly(paths[9])
    seen = list(describe_videos(paths, workers=2))
    assert [index for index, what in enumerate(seen) if what.problem] == [2, 9]
    assert seen[2].problem == CRASHED
    assert len(seen) == 16


CELLS = st.text(max_size=8) | st.sampled_from(["0XA", "0XA.avi", "50", "1e400", "nan", "inf", "-1", "TRAIN", "../a"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    table=st.lists(st.lists(CELLS, min_size=9, max_size=9), max_size=4),
    traced=st.lists(st.lists(CELLS, min_size=6, max_size=6)),
)
def test_whatever_the_tables_hold_is_told_and_never_a_traceback(
    tmp_path: Path, clean: Path, table: list[list[str]], traced: list[list[str]]
) -> None:
    root = tmp_path / "wild"
    (root / "Videos").mkdir(parents=True, exist_ok=True)
    for place, rows in (("FileList.csv", table), ("VolumeTracings.csv", traced)):
        with (clean / place).open(newline="") as file:
            first = list(csv.reader(file))[:2]
        with (root / place).open("w", newline="", encoding="utf-8", errors="replace") as file:
            csv.writer(file).writerows([*first, *rows])
    try:
        checkup = check(root)
    except DataError:
        return
    assert checkup.corrupting
    json.dumps([one.examples for one in checkup.findings])
