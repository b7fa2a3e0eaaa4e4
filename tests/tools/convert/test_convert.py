"""From a study to a dataset: what is converted, what is skipped and why, without names of patients."""

from __future__ import annotations

import csv
import shutil
import warnings
from pathlib import Path

import numpy as np
import pydicom.examples
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from echokit.cli import exit_code
from echokit.data.cohort.echonet_dynamic import EchonetDynamic
from echokit.data.preprocess.sector import NOISY
from echokit.data.video.clip import Clip
from echokit.data.video.dicom import dicom_patient_id
from echokit.data.video.dicom_content import dicom_content
from echokit.data.video.find import expand
from echokit.data.video.read import read_video
from echokit.data.video.write import write_video
from echokit.phantom.clinical.directory import write_clinical
from echokit.phantom.clinical.truth import read_truth
from echokit.pipeline.cohort_stage import read_cohort
from echokit.tools.convert.convert import convert_studies
from echokit.tools.convert.labels import divide
from echokit.tools.convert.picture import cut_to_fan, fan_of_clip
from echokit.tools.convert.record import Conversion
from tests.data.video.make import IDENTIFIER, NAME, write_dicom
from tests.data.video.test_fuzz import mutate
from tests.expect import refused

from .make import coloured, fan_clip, region, write_study


@pytest.fixture(scope="module")
def clinical(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clinical") / "cohort"
    write_clinical(root, patients=6, deaths=2, frames=(14, 14), seed=5, workers=2)
    return root


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def by_name(files: list[Path], converted: tuple[Conversion, ...]) -> dict[str, Conversion]:
    return {path.name: row for path, row in zip(files, converted, strict=True)}


def test_what_is_left_out_and_why(tmp_path: Path) -> None:
    expected = write_study(tmp_path / "study")
    files = expand([str(tmp_path / "study")])
    made = convert_studies(files, tmp_path / "data", workers=1)
    said = by_name(files, made.rows)
    assert {name for name, row in said.items() if row.status == "converted"} == {"copy", "good.dcm"}
    for name, reason in expected.items():
        assert said[name].status == "left out", name
        assert reason in said[name].remark, name
    report = rows(tmp_path / "data" / "conversion.csv")
    assert len(report) == len(files)
    assert [row["remark"] for row in report] == [row.remark for row in made.rows]
    assert all(row["remark"] for row in report if row["status"] != "converted")


def test_the_dataset_is_read_as_it_is(tmp_path: Path, clinical: Path) -> None:
    files = expand([str(clinical / "Studies")])
    made = convert_studies(files, tmp_path / "data", workers=1)
    assert made.count("converted") == len(files)
    cohort = read_cohort(EchonetDynamic(root=str(tmp_path / "data")))
    assert cohort.phantom
    assert len(cohort) == len(files)
    assert cohort.cases["fps"].between(30, 60).all()
    assert cohort.cases["patient_id"].nunique() < len(cohort)
    listing = rows(tmp_path / "data" / "FileList.csv")
    patients = {path.parts[-3] for path in files}
    dicom = {row["PatientId"] for row, path in zip(listing, files, strict=True) if path.suffix != ".avi"}
    assert len(dicom) == len({path.parts[-3] for path in files if path.suffix != ".avi"}) < len(patients)
    splits: dict[str, set[str]] = {}
    for row in listing:
        splits.setdefault(row["PatientId"], set()).add(row["Split"])
        clip = read_video(tmp_path / "data" / "Videos" / f"{row['FileName']}.avi")
        assert clip.frames.shape == (14, 112, 112)
        assert clip.frames.max() > 120
    assert all(len(parts) == 1 for parts in splits.values())
    assert set().union(*splits.values()) == {"TRAIN", "VAL", "TEST"}


def test_the_fan_and_nothing_else_is_kept(clinical: Path) -> None:
    for known in rows(clinical / "PhantomTruth.csv"):
        clip, truth = read_video(clinical / known["source"]), read_truth(clinical / known["masks"])
        fan, _ = fan_of_clip(clip)
        assert fan is not None
        assert not (fan & (truth.text | truth.scale | truth.ecg | truth.number | truth.panel)).any()
        assert (fan & truth.ventricle.any(0)).sum() >= 0.99 * truth.ventricle.any(0).sum()


def test_the_real_clips(tmp_path: Path) -> None:
    files = [Path(pydicom.examples.get_path("ybr_color"))]
    full = get_testdata_file("color3d_jpeg_baseline.dcm", download=False)
    files += [Path(str(full))] if full else []
    made = convert_studies(files, tmp_path / "data", workers=1)
    assert made.count("converted") == len(files)
    assert not made.phantom
    for row in made.rows:
        frames = read_video(tmp_path / "data" / "Videos" / f"{row.case_id}.avi").frames
        assert frames.shape == (row.frames, 112, 112)
        assert frames[:, :60, :20].max() < 30  # beside the tip there was interface text


def test_a_grabbed_clip_is_converted_and_its_noise_is_told(tmp_path: Path) -> None:
    clip = read_video(pydicom.examples.get_path("ybr_color"))
    noise = np.random.default_rng(0).normal(0, 3, clip.frames.shape)
    write_video(tmp_path / "grabbed.avi", np.rint(clip.frames + noise).clip(0, 255).astype(np.uint8), 30)
    made = convert_studies([tmp_path / "grabbed.avi"], tmp_path / "data", workers=1)
    assert [(row.status, row.remark) for row in made.rows] == [("converted", NOISY)]


def test_labels_by_file_and_by_patient(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    for index, patient in enumerate(("A-1", "A-1", "B-2")):
        write_dicom(study / f"{index}.dcm", fan_clip(index), PatientID=patient)
    files = expand([str(study)])
    table = tmp_path / "labels.csv"
    table.write_text("patient_id,EF,Split\nA-1,41.5,TRAIN\nB-2,60,test\nC-3,55,val\n")
    made = convert_studies(files, tmp_path / "one", table=table, workers=1)
    assert any("1 patients" in remark and "line 4" in remark for remark in made.remarks)
    listing = rows(tmp_path / "one" / "FileList.csv")
    assert [(row["EF"], row["Split"]) for row in listing] == [("41.5", "TRAIN"), ("41.5", "TRAIN"), ("60", "TEST")]
    table.write_text("source,ef,esv,edv\nstudy/0.dcm,30,70,100\nstudy/2.dcm,,,\n")
    made = convert_studies(files, tmp_path / "two", table=table, workers=1)
    listing = rows(tmp_path / "two" / "FileList.csv")
    assert [(row["EF"], row["ESV"], row["EDV"]) for row in listing] == [("30", "70", "100"), ("", "", ""), ("", "", "")]
    assert any("1 clips of 1 patients" in remark and "line 3" in remark for remark in made.remarks)
    assert any("2 clips have no ejection fraction" in remark for remark in made.remarks)


def test_a_table_tells_whose_the_clips_are_where_no_header_does(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    for index in range(6):
        write_video(study / f"{index}.avi", fan_clip(index), 30.0)
    files = expand([str(study)])
    made = convert_studies(files, tmp_path / "unknown", workers=1)
    assert any("6 clips name no patient" in remark for remark in made.remarks)
    table = tmp_path / "labels.csv"
    table.write_text("source,patient_id\n" + "".join(f"study/{n}.avi,MRN-{n // 2}\n" for n in range(6)))
    made = convert_studies(files, tmp_path / "known", table=table, workers=1)
    assert not any("name no patient" in remark for remark in made.remarks)
    listing = rows(tmp_path / "known" / "FileList.csv")
    assert [len({row["PatientId"] for row in listing[n : n + 2]}) for n in (0, 2, 4)] == [1, 1, 1]
    assert len({row["PatientId"] for row in listing}) == 3
    assert all(len({row["Split"] for row in listing[n : n + 2]}) == 1 for n in (0, 2, 4))
    assert "MRN" not in (tmp_path / "known" / "FileList.csv").read_text()


def test_clips_of_one_patient_get_one_name(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    for index, patient in enumerate(("A-1", "A-1", "B-2")):
        write_dicom(study / f"{index}.dcm", fan_clip(index), PatientID=patient)
    write_video(study / "3.avi", fan_clip(3), 30.0)
    files = expand([str(study)])
    table = tmp_path / "labels.csv"
    table.write_text("source,patient_id,ef\nstudy/0.dcm,LVAD-07,30\nstudy/3.avi,LVAD-07,31\n")
    convert_studies(files, tmp_path / "data", table=table, workers=1)
    first, second, other, video = (row["PatientId"] for row in rows(tmp_path / "data" / "FileList.csv"))
    assert first == second == video != other
    table.write_text("source,patient_id\nstudy/0.dcm,LVAD-07\nstudy/1.dcm,LVAD-08\n")
    with refused("labels.two_names", names=("line 2", "line 3")):
        convert_studies(files, tmp_path / "torn", table=table, workers=1)


def test_colour_doppler_in_a_folder_of_frames_is_left_out(tmp_path: Path) -> None:
    for name, frames in (("doppler", coloured(fan_clip())), ("plain", fan_clip())):
        (tmp_path / "study" / name).mkdir(parents=True)
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(tmp_path / "study" / name / f"frame_{number}.png")
    doppler, plain = convert_studies(expand([str(tmp_path / "study")]), tmp_path / "data", workers=1).rows
    assert (doppler.status, doppler.remark) == ("left out", "colour Doppler, by its pictures")
    assert plain.status == "converted"


def test_a_header_with_a_strange_region_still_tells_whose_the_clip_is(tmp_path: Path) -> None:
    strange = region(1)
    strange[0].RegionSpatialFormat = [1, 2]
    for index, regions in enumerate((strange, region(1))):
        write_dicom(tmp_path / f"{index}.dcm", fan_clip(index), PatientID="A-1", SequenceOfUltrasoundRegions=regions)
    made = convert_studies(expand([str(tmp_path)]), tmp_path / "data", workers=1)
    assert len({row.patient_id for row in made.rows}) == 1


def test_clips_without_patient_stay_with_their_study(tmp_path: Path) -> None:
    for index in range(8):
        write_dicom(tmp_path / f"{index}.dcm", fan_clip(index), PatientID="", StudyInstanceUID=f"1.2.{index // 2}")
    made = convert_studies(expand([str(tmp_path)]), tmp_path / "data", workers=1)
    assert [made.rows[n].patient_id == made.rows[n + 1].patient_id for n in range(7)] == [n % 2 == 0 for n in range(7)]
    assert any("8 clips name no patient: those of one study count as one" in remark for remark in made.remarks)
    for index in range(8):
        write_dicom(tmp_path / f"{index}.dcm", fan_clip(index), PatientID="ANONYMOUS")
    files = [tmp_path / f"{index}.dcm" for index in range(8)]
    made = convert_studies(files, tmp_path / "alike", workers=1)
    assert any("all 8 clips are of one patient by their headers" in remark for remark in made.remarks)


@pytest.mark.filterwarnings("ignore:The value length")
def test_no_value_of_a_header_gets_out_as_a_warning(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "clip.dcm", fan_clip(), PatientID="A-1" * 40, NumberOfFrames=14)
    content = path.read_bytes()
    where = content.index(b"\x28\x00\x08\x00IS")
    path.write_bytes(content[: where + 6] + b"\x0a\x00SMITH^JOHN" + content[where + 10 :])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert dicom_content(path).patient == "A-1" * 40
        assert dicom_patient_id(path) == "A-1" * 40
    assert not caught


def test_the_row_of_a_copy_is_the_row_of_the_recording(tmp_path: Path) -> None:
    study = tmp_path / "study"
    for folder in ("a", "b"):
        (study / folder).mkdir(parents=True)
        write_dicom(study / folder / "clip.dcm", fan_clip(0))
    shutil.copy(study / "a" / "clip.dcm", study / "b" / "clip.dcm")
    table = tmp_path / "labels.csv"
    table.write_text("source,ef\nstudy/b/clip.dcm,44\n")
    made = convert_studies(expand([str(study)]), tmp_path / "data", table=table, workers=1)
    assert [row["EF"] for row in rows(tmp_path / "data" / "FileList.csv")] == ["44"]
    assert not any("have no clip" in remark for remark in made.remarks)
    table.write_text("source,ef\nstudy/a/clip.dcm,40\nstudy/b/clip.dcm,44\n")
    with refused("labels.copies_differ", names=("line 2", "line 3")):
        convert_studies(expand([str(study)]), tmp_path / "torn", table=table, workers=1)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("patient_id,ef\nA,101\n", "labels.impossible_value"),
        ("patient_id;ef\nA;low\n", "labels.not_a_number"),
        ("patient_id,split\nA,all\n", "table.unknown_split"),
        ("patient_id,ef\nA,50\nA,51\n", "labels.duplicate"),
        ("patient_id,ef\nA,50\n,51\n", "table.empty_patient"),
        ("name,ef\nA,50\n", "table.missing_column"),
        ("patient_id\nA\n", "table.missing_column"),
        ("age,died\n50,1\n", "table.missing_column"),
        ("patient_id,ef\nA,0.35\n", "labels.ef_fraction"),
        ("Patient ID;LVEF (%)\nA;55\nB;0.6\n", "labels.ef_fraction"),
        ("patient_id,age,died\nA,50,1\n", "labels.which_target"),
        ("source,ef\n,50\n", "source.empty"),
        ("source,split\nstudy/0.dcm,train\nstudy/1.dcm,\n", "labels.missing_split"),
        ("source,split\nstudy/0.dcm,train\nstudy/1.dcm,test\n", "labels.patient_in_two_splits"),
    ],
)
def test_unusable_table_is_refused(tmp_path: Path, text: str, code: str) -> None:
    (tmp_path / "study").mkdir()
    for index in range(2):
        write_dicom(tmp_path / "study" / f"{index}.dcm", fan_clip(index, 10))
    (tmp_path / "labels.csv").write_text(text)
    files = expand([str(tmp_path / "study")])
    with refused(code):
        convert_studies(files, tmp_path / "data", table=tmp_path / "labels.csv", workers=1)
    assert not (tmp_path / "data").exists()
    assert not list(tmp_path.glob(".data*"))


def test_squares_stay_squares() -> None:
    """A picture with pixels twice as tall as wide, cut and resized, has the proportions of the body."""
    fan = np.zeros((60, 100), bool)
    fan[10:40, 20:80] = True
    clip = Clip(np.full((12, 60, 100), 200, np.uint8), spacing=(2.0, 1.0))
    cut = cut_to_fan(clip, fan, 60)
    assert cut.frames.shape == (12, 60, 60)
    assert (cut.frames == 200).all()
    assert cut.spacing == (1.0, 1.0)
    wide = cut_to_fan(Clip(clip.frames), fan, 60).frames
    assert (wide[:, 15:45] == 200).all()
    assert not wide[:, :15].any()
    assert not wide[:, 45:].any()


def test_division_by_patient() -> None:
    names = [f"patient-{number:03d}" for number in range(200)]
    parts = divide(names * 2)
    assert list(parts.values()).count("test") == list(parts.values()).count("val") == 26
    assert set(divide(names[:3]).values()) == {"train", "val", "test"}
    assert set(divide(names[:2]).values()) == {"train"}


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / NAME
    write_study(study)
    (study / "broken.dcm").write_bytes((study / "good").read_bytes()[:300])
    asked = ["data", "convert", str(study), "--to", str(tmp_path / "data")]
    assert exit_code(asked) == 2
    said = capsys.readouterr()
    assert "2 of 22 files converted to clips in" in said.out
    assert "1 not videos" in said.out
    assert "1 of 22 files cannot be read" in said.err
    assert "for predict only; give --table to train" in said.out
    written = "".join(
        str(path.relative_to(tmp_path / "data")) + (path.read_text() if path.suffix == ".csv" else "")
        for path in (tmp_path / "data").rglob("*")
        if path.is_file()
    )
    for secret in (*NAME.split("^"), IDENTIFIER, "SonoVue", "doppler-picture", "broken"):
        assert secret not in written, secret
    for secret in (IDENTIFIER, "SonoVue", "broken"):
        assert secret not in said.out + said.err, secret
    assert exit_code(asked) == 2
    assert "not empty" in capsys.readouterr().err


def test_current_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dicom(tmp_path / "clip.dcm", fan_clip())
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert exit_code(["data", "convert", str(tmp_path / "clip.dcm"), "--to", "."]) == 2
    assert "cannot be made where you are" in capsys.readouterr().err


def test_a_dataset_is_not_made_inside_its_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "study"
    study.mkdir()
    write_dicom(study / "0.dcm", fan_clip(0), PatientID="A-1")
    assert exit_code(["data", "convert", str(study), "--to", str(study / "deep" / "out")]) == 2
    assert "one of its sources" in capsys.readouterr().err
    assert sorted(path.name for path in study.iterdir()) == ["0.dcm"]


def test_nothing_to_convert(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "still", fan_clip()[:1])
    with refused("convert.no_clip", names=("1",)):
        convert_studies([path], tmp_path / "data", workers=1)


@pytest.mark.slow
def test_a_hundred_mutants_are_listed_with_their_reasons(tmp_path: Path) -> None:
    clip = fan_clip()
    sources = [
        write_dicom(tmp_path / "a", clip),
        write_dicom(tmp_path / "b", np.repeat(clip[..., None], 3, axis=3), photometric="RGB"),
    ]
    (tmp_path / "mutants").mkdir()
    for seed in range(100):
        data = mutate(sources[seed % 2].read_bytes(), 5000 + seed)
        (tmp_path / "mutants" / f"{seed:03d}.dcm").write_bytes(data)
    files = expand([str(tmp_path / "mutants"), str(tmp_path / "a")])
    made = convert_studies(files, tmp_path / "data", workers=2)
    assert len(made.rows) == 101
    assert all(row.remark for row in made.rows if row.status != "converted")
    assert all(row.remark for row in made.rows if row.damaged)
    assert sum(row.damaged or row.status == "unreadable" for row in made.rows) > 30
    assert made.count("converted") > 20
