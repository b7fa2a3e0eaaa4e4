from pathlib import Path

import pytest

from echokit.data.cohort.echonet_pediatric import EchonetPediatric
from tests.expect import refused

HEAD = "FileName,EF,Sex,Age,Weight,Height,Split\n"
ROWS = [
    "CRa-CRx-000001.avi,60,F,3,14.2,95,0",
    "CRa-CRx-000002.avi,61,F,3,14.2,95,0",
    "CR-b-CRy-000001.avi,,,9,30,130,8",
    "CRc-CRz-000001.AVI,40,M,9,30,,9",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for view in ("A4C", "PSAX"):
        (tmp_path / "peds" / view / "Videos").mkdir(parents=True)
        (tmp_path / "peds" / view / "FileList.csv").write_text(HEAD + "\n".join(ROWS) + "\n")
    (tmp_path / "peds" / "A4C" / "VolumeTracings.csv").write_text(
        "FileName,X,Y,Frame\nCRa-CRx-000001.avi,1,1,No Systolic\n"
    )
    return tmp_path / "peds"


def test_patients_come_from_names_and_splits_from_folds(root: Path) -> None:
    cohort = EchonetPediatric(root=str(root))()
    cases = cohort.cases
    assert cases["case_id"].tolist() == ["CRa-CRx-000001", "CRa-CRx-000002", "CR-b-CRy-000001", "CRc-CRz-000001"]
    assert cases["patient_id"].tolist() == ["CRa", "CRa", "CR-b", "CRc"]
    assert cases["split"].tolist() == ["train", "train", "val", "test"]
    assert cases["source"][3] == str(root / "A4C" / "Videos" / "CRc-CRz-000001.avi")
    assert cases["ef"].isna().tolist() == [False, False, True, False]
    assert cases["height_cm"].isna().sum() == 1
    assert cohort.warnings == ("3 videos have no tracing, for example CRa-CRx-000002",)


def test_which_folds_are_val_and_test_is_a_parameter(root: Path) -> None:
    cases = EchonetPediatric(root=str(root), view="PSAX", val=(9, 1), test=(0,))().cases
    assert cases["split"].tolist() == ["test", "test", "train", "val"]
    assert "PSAX" in cases["source"][0]
    with refused("dataset.shared_fold"):
        EchonetPediatric(root=str(root), val=(1,), test=(1, 2))()


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("CRa-1.avi,50,F,1,1,1,0", "table.no_patient"),
        ("-a-1.avi,50,F,1,1,1,0", "table.no_patient"),
        ("../CRa-CRx-1.avi,50,F,1,1,1,0", "source.not_a_name"),
        ("CRd-CRx-1.avi,50,F,1,1,1,10", "table.unknown_split"),
        ("CRa-CRx-000009.avi,50,F,1,1,1,9", "cohort.patient_in_two_splits"),
    ],
)
def test_unusable_row_is_refused(root: Path, row: str, code: str) -> None:
    (root / "A4C" / "FileList.csv").write_text(HEAD + "\n".join([*ROWS, row]) + "\n")
    with refused(code):
        EchonetPediatric(root=str(root))()


def test_missing_files_are_named(root: Path, tmp_path: Path) -> None:
    with refused("dataset.missing"):
        EchonetPediatric(root=str(tmp_path / "nowhere"))()
    (root / "PSAX" / "FileList.csv").unlink()
    with refused("dataset.other_layout", names=("PSAX/FileList.csv",)):
        EchonetPediatric(root=str(root), view="PSAX")()
