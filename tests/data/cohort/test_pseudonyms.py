"""Patient identifiers in DICOM files do not leak: not into any file, name, log or error, by any command."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from echokit.cli import exit_code
from echokit.data.cohort.pseudonyms import case_ids
from tests.data.video.make import write_dicom
from tests.tools.convert.make import fan_clip

SECRETS = ("Zebedee", "Quillfeather", "PID-77-4242", "NHS-9981", "ACC-5512", "Ravenscroft", "Underhill", "St. Elmo",
           "Thistle Lane", "19340517", "20200229", "112233", "17.05.1934", "telltale")  # fmt: skip
FOLDER = "Quillfeather_Zebedee_PID-77-4242/20200229"
RECIPE = """
name: small
data: {use: table, table: study/cohort.csv, covariates: [age], max_unreadable: 0.5}
target: {from: target, positive: died}
preprocess: [{use: trim, frames: 10}, {use: resize, size: 32}]
clip: {frames: 10}
model: {use: single_stream, backbone: {use: resnet18, width: 4}}
resample: {use: holdout, val: 0.25, test: 0.25}
train: {epochs: 1, batch_size: 4}
evaluate: [accuracy]
"""


def identified(number: int) -> dict[str, object]:
    """Build elements with identifiers: those that usually hold one, and some that do not."""
    item = Dataset()
    item.PatientID = "NHS-9981"
    item.TypeOfPatientID = "TEXT"
    return {
        "PatientName": "Quillfeather^Zebedee", "PatientID": f"PID-77-4242-{number // 2}",
        "PatientBirthDate": "19340517", "PatientBirthTime": "112233", "OtherPatientIDs": "NHS-9981",
        "OtherPatientIDsSequence": [item], "PatientAddress": "Thistle Lane 4", "PatientComments": "Zebedee, 17.05.1934",
        "PatientMotherBirthName": "Ravenscroft^Isolde", "AccessionNumber": "ACC-5512", "StudyID": "ACC-5512",
        "StudyDate": "20200229", "SeriesDate": "20200229", "ContentDate": "20200229", "AcquisitionDate": "20200229",
        "StudyTime": "112233", "AcquisitionDateTime": "20200229112233", "InstitutionName": "St. Elmo",
        "InstitutionAddress": "Thistle Lane", "ReferringPhysicianName": "Ravenscroft^Isolde",
        "PerformingPhysicianName": "Underhill^Basil", "OperatorsName": "Underhill^Basil", "StationName": "telltale",
        "StudyDescription": "Echo Quillfeather", "SeriesDescription": "Zebedee 4CH", "ProtocolName": "Zebedee",
        "ImageComments": "Quillfeather", "RequestedProcedureDescription": "Quillfeather", "PatientAge": "085Y",
        "DeviceSerialNumber": "telltale", "SeriesInstanceUID": "2.25.19340517", "StudyInstanceUID": "2.25.20200229",
        # Text instead of numbers: error messages of readers quote it.
        "HeartRate": "60", "Manufacturer": "telltale",
    }  # fmt: skip


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a hospital's folder below the working directory, and a recipe for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "study" / FOLDER
    folder.mkdir(parents=True)
    rows = ["source,target,patient_id,age"]
    for number in range(16):
        path = folder / f"Zebedee_{number}.dcm"
        write_dicom(path, fan_clip(number, 10), **identified(number))
        rows.append(f"{FOLDER}/{path.name},{number // 2 % 2},PID-77-4242-{number // 2},85")
    whole = (folder / "Zebedee_0.dcm").read_bytes()
    (folder / "Zebedee_1.dcm").write_bytes(whole[: len(whole) // 2])
    (folder / "Zebedee_2.dcm").write_bytes((folder / "Zebedee_2.dcm").read_bytes()[:900])
    (folder / "Zebedee_3.dcm").write_bytes(b"")
    (folder / "Zebedee_4.dcm").write_bytes(b"Quillfeather, Zebedee" * 30)
    write_dicom(folder / "Zebedee_5.dcm", fan_clip(5, 10), FrameTime="0", **identified(5))
    text = (folder / "Zebedee_6.dcm").read_bytes().replace(b"MONOCHROME2", b"Zebedee    ")
    (folder / "Zebedee_6.dcm").write_bytes(text)
    (tmp_path / "study" / "cohort.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "small.yaml").write_text(RECIPE)
    return tmp_path


def leaks(root: Path, screen: str) -> list[str]:
    """List all secrets on the screen and in names and files below ``root``, outside the study itself.

    ``sources.csv`` and the hashes of files lead back to the files on purpose; only their owner can read them.
    """
    leaked = [f"screen: {secret}" for secret in SECRETS if secret in screen]
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if relative.parts[0] == "study":
            continue
        leaked += [f"{relative}: in its name: {secret}" for secret in SECRETS if secret in str(relative)]
        if not path.is_file() or relative.name.startswith(("sources.csv", "hashes.sqlite")):
            continue
        content = path.read_bytes()
        leaked += [f"{relative}: {secret}" for secret in SECRETS if secret.encode() in content]
    return leaked


def test_no_command_leaks_a_patient_identifier(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codes = {
        "run": exit_code(["run", "small.yaml"]),
        "predict": exit_code(["predict", "small", "study"]),
        "predict --json": exit_code(["predict", "small", "study", "--json"]),
        "mask": exit_code(["mask", "study", "--out", "masked", "--method", "sector_mask"]),
        "convert": exit_code(["data", "convert", "study", "--to", "converted"]),
        "check": exit_code(["data", "check", "study/cohort.csv"]),
        "prepare": exit_code(["data", "prepare", "small.yaml"]),
        "dry run": exit_code(["run", "small.yaml", "--dry-run"]),
    }
    screen = capsys.readouterr()
    assert leaks(study, screen.out + screen.err) == []
    assert codes["run"] in (0, 2), screen.err[-2000:]
    assert (study / "runs" / "small" / "latest" / "predictions.csv").exists()
    assert len(list((study / "masked").glob("*.avi"))) > 8
    assert len(list((study / "converted" / "Videos").iterdir())) > 8
    for name in ("sources.csv", "hashes.sqlite"):
        assert (study / "cache" / name).stat().st_mode & 0o077 == 0
    assert "Zebedee_7" in (study / "cache" / "sources.csv").read_text()


def test_only_a_terminal_shows_which_file_it_is(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    shown: list[bytes] = []
    done = threading.Event()

    def read() -> None:
        while select.select([master], [], [], 0.1)[0] or not done.is_set():
            shown.append(os.read(master, 4096) if select.select([master], [], [], 0)[0] else b"")

    reader = threading.Thread(target=read)
    reader.start()
    terminal = os.fdopen(slave, "w", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        codes = [
            exit_code(["data", "prepare", "small.yaml"]),
            exit_code(["mask", f"study/{FOLDER}/Zebedee_3.dcm", "--out", "masked"]),
        ]
    terminal.flush()
    done.set()
    reader.join()
    os.close(master)
    terminal.close()
    assert codes == [0, 2]
    screen = b"".join(shown).decode().replace("\r\n", "")
    assert re.search(rf"case-\w+ \(study/cohort.csv:5, study/{FOLDER}/Zebedee_3.dcm\): ", screen)
    assert re.search(rf"case-\w+ is study/{FOLDER}/Zebedee_3.dcm", screen)
    assert leaks(study, "") == []


def test_every_leak_would_be_detected(study: Path) -> None:
    (study / "runs").mkdir()
    shutil.copy(study / "study" / FOLDER / "Zebedee_7.dcm", study / "runs" / "x")
    (study / "cache").mkdir(exist_ok=True)
    assert {leak.rpartition(": ")[2] for leak in leaks(study, "Ravenscroft")} >= set(SECRETS)


def test_only_avi_and_mp4_files_keep_their_names(tmp_path: Path) -> None:
    """The name of an unreadable file may identify a patient; an AVI or MP4 keeps the name that its user gave it."""
    (tmp_path / "Zebedee.dcm").write_bytes(b"nothing")
    (tmp_path / "Zebedee").write_bytes(b"")
    (tmp_path / "heart.avi").write_bytes(b"nothing")
    write_dicom(tmp_path / "fine.dcm", np.zeros((2, 8, 8), np.uint8))
    names = case_ids([tmp_path / name for name in ("Zebedee.dcm", "Zebedee", "heart.avi", "fine.dcm")])
    assert [name.startswith("case-") for name in names] == [True, True, False, True]
    assert names[2] == "heart"
    assert len(set(names)) == 4
