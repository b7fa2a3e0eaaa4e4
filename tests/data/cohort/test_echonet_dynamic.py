from pathlib import Path

import pytest

from echokit.data.cohort.cohort import Cohort
from echokit.data.cohort.echonet_dynamic import EchonetDynamic
from echokit.data.cohort.exclusions import exclude
from echokit.data.cohort.missing_dataset import AbsentError
from echokit.data.cohort.target import TargetSettings, targets_of
from echokit.errors import DataError
from tests.expect import refused

HEAD = "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split\n"
ROWS = [
    "0XA,60.5,40,100,112,112,50,120,TRAIN",
    "0XB.avi,49.999,50,100,112,112,50,120,train",
    "0XC,50,50,100,768,1024,50,120,Val",
    "0XD,30,70,100,112,112,50,120,TEST",
]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "echonet"
    (folder / "Videos").mkdir(parents=True)
    (folder / "FileList.csv").write_text(HEAD + "\n".join(ROWS) + "\n")
    (folder / "VolumeTracings.csv").write_text(
        "FileName,X1,Y1,X2,Y2,Frame\n0XA.avi,1,1,2,2,0\n0XB.avi,1,1,2,2,0\n0XC.avi,1,1,2,2,0\n"
    )
    return folder


def read(root: Path) -> Cohort:
    return EchonetDynamic(root=str(root))()


def test_names_splits_and_covariates(root: Path) -> None:
    cohort = read(root)
    assert cohort.cases["case_id"].tolist() == ["0XA", "0XB", "0XC", "0XD"]
    assert cohort.cases["split"].tolist() == ["train", "train", "val", "test"]
    assert cohort.cases["source"].tolist()[1] == str(root / "Videos" / "0XB.avi")
    assert cohort.cases["ef"].tolist() == [60.5, 49.999, 50, 30]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_list_that_a_spreadsheet_saved_again(root: Path, encoding: str) -> None:
    text = (HEAD + "\n".join(ROWS)).replace(",", "\t").replace(".", ",").replace("0XB,avi", "0XB.avi")
    text = text.replace("Val", "Validation")
    (root / "FileList.csv").write_bytes(text.replace("\n", "\r\n").encode(encoding))
    cases = read(root).cases
    assert cases["case_id"].tolist() == ["0XA", "0XB", "0XC", "0XD"]
    assert cases["split"].tolist() == ["train", "train", "val", "test"]
    assert cases["ef"].tolist() == [60.5, 49.999, 50, 30]


def test_a_list_that_is_no_text_is_named(root: Path) -> None:
    (root / "FileList.csv").write_bytes(b"PK\3\4" + bytes(600))
    with refused("table.not_text", where="FileList.csv"):
        read(root)


def test_quirks_are_counted(root: Path) -> None:
    warnings = " ".join(read(root).warnings)
    assert "1 rows list another size than 112x112" in warnings
    assert "1 videos have no tracing, for example 0XD" in warnings


def test_tracings_are_not_needed(root: Path) -> None:
    (root / "VolumeTracings.csv").unlink()
    assert any("VolumeTracings.csv is missing" in warning for warning in read(root).warnings)


def test_a_missing_root_says_which_file_was_expected(tmp_path: Path) -> None:
    with pytest.raises(AbsentError) as raised:
        read(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere" / "FileList.csv") in str(raised.value)


@pytest.mark.parametrize("missing", ["FileList.csv", "Videos"])
def test_another_layout_says_which_file_was_expected(root: Path, missing: str) -> None:
    (root / missing).rename(root / "away")
    with pytest.raises(DataError) as raised:
        read(root)
    assert not isinstance(raised.value, AbsentError)
    assert str(root / missing) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a readable CSV"),
        ("FileName,Split\na,TRAIN\n", "lacks the columns EF"),
        (HEAD, "no rows"),
        (HEAD + ROWS[0] + ",\n" + ROWS[1] + ",\n", r"FileList.csv:2: the row has 10 cells, the header 9"),
        (HEAD + ROWS[0] + "\n" + ROWS[1] + ",x\n", r"FileList.csv:3: the row has 10 cells, the header 9"),
        (HEAD + "../../etc/x,50,1,2,112,112,50,9,TRAIN\n", "not the name of a video"),
        (HEAD + "a/b,50,1,2,112,112,50,9,TRAIN\n", "not the name of a video"),
        (HEAD + "a,50,1,2,112,112,50,9,HOLDOUT\n", "not one of TRAIN, VAL, TEST"),
        (HEAD + ROWS[0] + "\n" + ROWS[0] + "\n", "occur twice"),
    ],
)
def test_unusable_table_is_refused(root: Path, text: str, said: str) -> None:
    (root / "FileList.csv").write_text(text)
    with pytest.raises(DataError) as raised:
        read(root)
    assert said in str(raised.value)


def test_a_comma_too_many_shifts_no_name_of_the_tracings(root: Path) -> None:
    rows = (root / "VolumeTracings.csv").read_text().splitlines()
    (root / "VolumeTracings.csv").write_text("\n".join([rows[0], *(row + "," for row in rows[1:])]) + "\n")
    assert any("1 videos have no tracing, for example 0XD" in line for line in read(root).warnings)


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ({"below": 50}, [0, 1, 0, 1]),
        ({"at_or_below": 50}, [0, 1, 1, 1]),
        ({"above": 50}, [1, 0, 0, 0]),
        ({"at_or_above": 50}, [1, 0, 1, 0]),
    ],
)
def test_the_cut_off_and_its_inclusive_side(root: Path, side: dict[str, float], expected: list[int]) -> None:
    target = TargetSettings.model_validate({"from": "ef", "positive": "reduced", **side})
    assert targets_of(read(root), target).y_true.tolist() == expected


def test_an_unknown_ef_names_the_case(root: Path) -> None:
    (root / "FileList.csv").write_text(HEAD + ROWS[0] + "\n0XE,,1,2,112,112,50,9,TRAIN\n")
    target = TargetSettings.model_validate({"from": "ef", "positive": "reduced", "below": 50})
    with refused("target.unknown_value", names=("0XE",)):
        targets_of(read(root), target)


def test_an_unknown_column_suggests_the_nearest(root: Path) -> None:
    target = TargetSettings.model_validate({"from": "eff", "positive": "reduced", "below": 50})
    with refused("target.missing_column", names=("'ef'",)):
        targets_of(read(root), target)


@pytest.mark.parametrize("text", ["# why\n0XB  # bad\n\n0XZ\n", '["0XB", "0XZ"]'])
def test_exclusions_are_counted(root: Path, tmp_path: Path, text: str) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text(text)
    kept = exclude(read(root), listing)
    assert kept.cases["case_id"].tolist() == ["0XA", "0XC", "0XD"]
    assert "1 cases excluded by list.txt" in kept.warnings
    assert any("0XZ" in warning for warning in kept.warnings)


@pytest.mark.parametrize(("text", "code"), [("0XZ\n", "exclude.no_case"), ("[1,", "exclude.not_json")])
def test_a_useless_list_of_exclusions_is_refused(root: Path, tmp_path: Path, text: str, code: str) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text(text)
    with refused(code):
        exclude(read(root), listing)
