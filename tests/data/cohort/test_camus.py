from pathlib import Path

import pytest

from echokit.data.cohort.camus import Camus
from echokit.data.cohort.target import TargetSettings, targets_of
from tests.expect import refused

INFO = "ED: 1\nES: 20\nNbFrame: 20\nSex: F\nAge: 56\nImageQuality: Good\nEF: 54\nFrameRate: 50.3\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in (1, 2, 3):
        folder = tmp_path / "camus" / f"patient{number:04}"
        folder.mkdir(parents=True)
        for view in ("2CH", "4CH"):
            (folder / f"Info_{view}.cfg").write_text(INFO)
    for name, patient in (("training", 1), ("validation", 2), ("testing", 3)):
        (tmp_path / "camus" / f"subgroup_{name}.txt").write_text(f"patient{patient:04}\n")
    return tmp_path / "camus"


def test_facts_splits_and_views(root: Path) -> None:
    cohort = Camus(root=str(root))()
    cases = cohort.cases
    assert cases["case_id"].tolist() == [f"patient000{n}_4CH" for n in (1, 2, 3)]
    assert cases["split"].tolist() == ["train", "val", "test"]
    assert cases["source"][0] == str(root / "patient0001" / "patient0001_4CH_half_sequence.nii.gz")
    first = cases.iloc[0]
    assert (first["ef"], first["fps"], first["frames"], first["sex"]) == (54, 50.3, 20, "F")
    assert (first["ed_frame"], first["es_frame"]) == (0, 19)
    assert cohort.warnings == ("the videos are half cycles: none shows a whole beat",)
    both = Camus(root=str(root), view="both")().cases
    assert len(both) == 6
    assert both["patient_id"].nunique() == 3


def test_the_folders_as_they_are_distributed(root: Path, tmp_path: Path) -> None:
    whole = tmp_path / "CAMUS_public"
    (whole / "database_split").mkdir(parents=True)
    for name in ("training", "validation", "testing"):
        (root / f"subgroup_{name}.txt").rename(whole / "database_split" / f"subgroup_{name}.txt")
    root.rename(whole / "database_nifti")
    assert Camus(root=str(whole))().cases["split"].tolist() == ["train", "val", "test"]


def test_quirks_are_counted(root: Path) -> None:
    (root / "patient0001" / "Info_4CH.cfg").write_text(
        INFO.replace("ED: 1\nES: 20", "ED: 20\nES: 1") + "scanned twice\n"
    )
    (root / "subgroup_testing.txt").write_text("patient0009\n")
    warnings = " ".join(Camus(root=str(root))().warnings)
    assert "1 half cycles run from end-systole to end-diastole" in warnings
    assert "1 lines of the .cfg files" in warnings
    assert "1 patients of the subgroup files have no folder, for example 'patient0009'" in warnings
    assert "1 patients are in no subgroup, for example patient0003" in warnings


def test_an_unknown_ef_is_refused_by_name(root: Path) -> None:
    (root / "patient0001" / "Info_4CH.cfg").unlink()
    (root / "patient0002" / "Info_4CH.cfg").write_text(INFO.replace("EF: 54", "EF: N/A"))
    target = TargetSettings.model_validate({"from": "ef", "positive": "reduced", "below": 50})
    with refused("target.unknown_value", names=("patient0001_4CH", "patient0002_4CH")):
        targets_of(Camus(root=str(root))(), target)


def test_a_patient_in_two_subgroups_is_refused(root: Path) -> None:
    (root / "subgroup_testing.txt").write_text("patient0001\npatient0003\n")
    with refused("cohort.patient_in_two_splits", names=("patient0001",)):
        Camus(root=str(root))()


def test_missing_files_are_named(root: Path, tmp_path: Path) -> None:
    with refused("dataset.missing"):
        Camus(root=str(tmp_path / "nowhere"))()
    (tmp_path / "empty").mkdir()
    with refused("dataset.other_layout"):
        Camus(root=str(tmp_path / "empty"))()
    for name in ("training", "validation", "testing"):
        (root / f"subgroup_{name}.txt").unlink()
    cohort = Camus(root=str(root))()
    assert set(cohort.cases["split"]) == {""}
    assert any("no subgroup files" in warning for warning in cohort.warnings)
