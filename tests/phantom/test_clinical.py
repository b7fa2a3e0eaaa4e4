"""Clinical phantom: a hospital's cohort, its files, and their ground truth."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from echokit.data.cohort.hospital_table import Table
from echokit.data.video.read import read_video
from echokit.phantom.clinical.directory import COVARIATES, write_clinical
from echokit.phantom.clinical.export import file_name
from echokit.phantom.clinical.patients import DEATHS, PATIENTS, sample_patients
from echokit.phantom.clinical.screen import draw_screen
from echokit.phantom.clinical.truth import read_truth
from echokit.phantom.dataset import Phantom
from tests.expect import refused

SMALL = {"patients": 4, "deaths": 1, "frames": (12, 12), "seed": 3, "workers": 1}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clinical") / "cohort"
    write_clinical(root, **SMALL)  # type: ignore[arg-type]
    return root


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def contents(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_cohort_has_the_size_of_the_reference_study() -> None:
    patients = sample_patients(0)
    assert len(patients) == PATIENTS == 34
    assert sum(patient.died for patient in patients) == DEATHS == 7
    assert all(10 <= patient.ef <= 35 for patient in patients)
    assert {patient.vendor for patient in patients} == {"alder", "birch", "cedar"}
    assert {len(patient.clips) for patient in patients} >= {1, 2}
    assert all(len({clip.ef for clip in patient.clips}) == 1 for patient in patients)
    assert len({file_name(patient, 0) for patient in patients}) == 34
    assert all((patient.days < 365) == patient.died for patient in patients)


def test_death_depends_on_function_in_part_only() -> None:
    """Over many cohorts, the AUC of the ejection fraction for death is about 0.80."""
    shares = []
    for seed in range(60):
        patients = sample_patients(seed, frames=(2, 2))
        dead = np.array([patient.function for patient in patients if patient.died])
        alive = np.array([patient.function for patient in patients if not patient.died])
        shares.append((dead[:, None] < alive).mean())
    assert 0.75 < np.mean(shares) < 0.86
    assert min(shares) < 0.7


def test_every_clip_is_read_and_matches_its_truth(cohort: Path) -> None:
    table, truths = rows(cohort / "cohort.csv"), rows(cohort / "PhantomTruth.csv")
    assert [row["source"] for row in table] == [row["source"] for row in truths]
    assert {row["target"] for row in table} == {"0", "1"}
    formats = set()
    for row, known in zip(table, truths, strict=True):
        clip, truth = read_video(cohort / row["source"]), read_truth(cohort / known["masks"])
        formats.add(clip.source.split()[0] + " " + clip.source.split()[-1])
        assert clip.frames.shape == (12, 600, 800) == truth.ventricle.shape == truth.myocardium.shape
        assert clip.fps == pytest.approx(float(row["fps"]), abs=1e-3)
        assert clip.notes == ()
        shown = clip.frames.astype(int)
        assert shown[:, truth.sector].mean() > 15
        ventricle = truth.ventricle & truth.sector
        assert (ventricle == truth.ventricle).all()
        assert shown[truth.myocardium].mean() > shown[truth.ventricle].mean() + 20
        words = truth.text | truth.scale | truth.ecg | truth.number
        assert not (words & truth.sector).any()
        # Nothing is lit that is not accounted for; compression leaves a little around bright edges.
        nothing = ~(truth.sector | words | truth.panel)
        assert np.quantile(shown[:, nothing], 0.99) < 12
        still = shown.max(0) - shown.min(0)
        assert still[truth.ecg].mean() > 10
        assert still[truth.text & ~truth.ecg].mean() < 12
        assert 2 < truth.motion[truth.sector & truth.tissue].max() < 30
        if clip.source.startswith("DICOM"):
            tissue = next(region for region in clip.regions if region.data_type == 1)
            outside = truth.sector.copy()
            outside[tissue.y0 : tissue.y1, tissue.x0 : tissue.x1] = False
            assert not outside.any()
            assert clip.spacing == tissue.spacing
    assert formats == {"DICOM 1)", "DICOM Lossless", "AVI mjpeg"}


def test_the_heart_rate_and_the_trace_change() -> None:
    for patient in sample_patients(1, patients=3):
        screen = draw_screen(patient, 0)
        for name in ("number", "ecg"):
            seen = screen.frames[:, screen.regions[name]]
            assert (seen != seen[0]).any(), (patient.vendor, name)


def test_identifiers_are_in_headers_and_paths(cohort: Path) -> None:
    row = next(row for row in rows(cohort / "cohort.csv") if row["vendor"] == "alder")
    header = dcmread(cohort / row["source"], stop_before_pixels=True)
    assert header.PatientID == row["patient_id"]
    surname = str(header.PatientName).split("^")[0]
    assert surname.upper() in row["source"]
    assert surname in str(header[0x0019, 0x1001].value)


def test_same_bytes_for_any_number_of_workers(tmp_path: Path, cohort: Path) -> None:
    write_clinical(tmp_path / "again", **{**SMALL, "patients": 5, "workers": 2})  # type: ignore[arg-type]
    again, first = contents(tmp_path / "again"), contents(cohort)
    videos = {name: digest for name, digest in first.items() if name.startswith(("Studies", "masks"))}
    assert videos.items() <= again.items()
    assert json.loads((cohort / "PHANTOM_DATA.json").read_text())["layout"] == "clinical"


def test_the_table_is_read(cohort: Path) -> None:
    data = Table(table=str(cohort / "cohort.csv"), covariates=COVARIATES)()
    assert data.phantom
    assert data.cases["patient_id"].nunique() == 4
    assert set(data.cases["target"]) == {0, 1}
    assert data.cases["ef"].between(10, 36).all()
    later = Table(table=str(cohort / "cohort.csv"), horizon=365, target="died")()
    assert later.cases["died"].tolist() == data.cases["target"].tolist()


@pytest.mark.slow
def test_a_recipe_can_name_the_clinical_phantom() -> None:
    data = Phantom(layout="clinical", cases=6)()
    assert data.phantom
    assert data.cases["patient_id"].nunique() == 6
    assert set(data.cases["target"]) == {0, 1}
    assert data.cases["ef"].between(10, 36).all()
    with refused("phantom.own_ef", where="data.ef"):
        Phantom(layout="clinical", ef="wide")()


@pytest.mark.parametrize(
    ("wrong", "where"), [({"patients": 1}, "cases"), ({"deaths": 4}, "deaths"), ({"seed": -1}, "seed")]
)
def test_an_argument_out_of_range_is_refused(tmp_path: Path, wrong: dict[str, int], where: str) -> None:
    with refused("phantom.out_of_range", where=where):
        write_clinical(tmp_path / "data", **{**SMALL, **wrong})  # type: ignore[arg-type]


def test_a_file_that_is_no_ground_truth_is_refused(tmp_path: Path) -> None:
    (tmp_path / "truth.npz").write_bytes(b"no archive")
    for name in ("truth.npz", "missing.npz"):
        with refused("phantom.truth_unreadable", where=name):
            read_truth(tmp_path / name)
