import csv
import datetime
import os
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echokit import read_video, write_video
from echokit.data.cohort.cohort import Cohort
from echokit.data.cohort.exclusions import exclude
from echokit.data.cohort.hospital_table import Table
from echokit.data.cohort.paths import place_below
from echokit.data.cohort.survival_outcome import status_at
from echokit.data.cohort.target import TargetSettings, target_in, targets_of
from echokit.errors import DataError
from echokit.tools.dataset_check.check_dataset import check_dataset
from tests.data.video.make import IDENTIFIER, NAME, blobs, write_dicom
from tests.expect import refused

TARGET = TargetSettings.model_validate({"from": "target", "positive": "died"})


def write(folder: Path, text: str, name: str = "cases.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def read(table: Path, **parameters: object) -> Cohort:
    return Table(table=str(table), **parameters)()  # type: ignore[arg-type]


def test_a_row_a_case_under_pseudonyms(tmp_path: Path) -> None:
    table = write(
        tmp_path,
        "source,target,patient_id,split,sex,mrn\n./clips//Smith_01.avi,1,Smith,TRAIN,F,77\nclips/b,0,7,val,M,78\n",
    )
    cohort = read(table, covariates=("sex",))
    assert list(cohort.cases.columns) == ["case_id", "patient_id", "source", "split", "target", "sex"]
    assert cohort.cases["split"].tolist() == ["train", "val"]
    assert cohort.cases["source"].tolist() == [str(tmp_path / "clips/Smith_01.avi"), str(tmp_path / "clips/b")]
    assert targets_of(cohort, TARGET).y_true.tolist() == [1, 0]
    shown = cohort.cases.drop(columns="source").to_csv() + str(cohort.warnings)
    assert "Smith" not in shown
    assert "77" not in cohort.cases.drop(columns=["source", "case_id", "patient_id"]).to_csv()
    assert cohort.warnings == ("1 columns of the table are not kept (data.covariates names those to keep)",)


def test_the_same_row_has_the_same_name_wherever_the_table_lies(tmp_path: Path) -> None:
    text = "source,target,patient_id\na.avi,1,x\nb.avi,0,x\n"
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
    one, two = (read(write(tmp_path / place, text)).cases for place in ("one", "two"))
    assert one["case_id"].tolist() == two["case_id"].tolist()
    assert one["patient_id"].nunique() == 1
    other = read(tmp_path / "one" / "cases.csv", name="other").cases
    assert not {*other["case_id"], *other["patient_id"]} & {*one["case_id"], *one["patient_id"]}


def test_sources_are_mapped_in_one_file_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path / "cache"))
    first = read(write(tmp_path, "source,target\na.avi,1\n"))
    read(write(tmp_path, 'source,target\n"b,\n.avi",1\n'.replace("\n.avi", ".avi"), "more.csv"))
    read(write(tmp_path, "source,target\na.avi,1\n"))
    place = tmp_path / "cache" / "sources.csv"
    assert os.stat(place).st_mode & 0o777 == 0o600
    with place.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["source"] for row in rows] == [str(tmp_path / "a.avi"), str(tmp_path / "b,.avi")]
    assert rows[0]["case_id"] == first.cases["case_id"][0]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_as_spreadsheets_write_them(tmp_path: Path, delimiter: str) -> None:
    text = "\ufeffsource,target,site\r\na.avi,1,\r\n,,\r\nb.avi,0,4\r\n".replace(",", delimiter)
    (tmp_path / "cases.csv").write_bytes(text.encode())
    cases = read(tmp_path / "cases.csv", covariates=("site",)).cases
    assert cases["target"].tolist() == [1, 0]
    assert cases["site"].isna().tolist() == [True, False]
    assert cases["site"].tolist()[1] == 4


def test_parquet_gives_what_csv_gives(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {"source": ["a.avi", "b.avi"], "target": [1.5, 0], "patient_id": [7, 8], "split": ["train", "test"]}
    )
    frame["old"] = pd.array([3, None], dtype="Int64")
    frame.to_parquet(tmp_path / "cases.parquet")
    frame.to_csv(tmp_path / "cases.csv", index=False)
    tables = [read(tmp_path / f"cases.{kind}", covariates=("old",)).cases for kind in ("parquet", "csv")]
    pd.testing.assert_frame_equal(*tables)
    (tmp_path / "broken.parquet").write_bytes((tmp_path / "cases.parquet").read_bytes()[:200])
    with refused("table.not_parquet"):
        read(tmp_path / "broken.parquet")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "table.no_rows"),
        ("source,target\n", "table.no_rows"),
        ("source,tarqet\na.avi,1\n", "table.missing_column"),
        ("source,target,target\na.avi,1,1\n", "table.duplicate_column"),
        ("source,target\na.avi\n", "table.bad_row"),
        ('source,target\n"a.avi,1\n', "table.not_csv"),
        ("source,target\na.avi,1\na.avi,0\n", "table.duplicate_source"),
        ("source,target\na.avi,1\n./a.avi,0\n", "table.duplicate_source"),
        ("source,target,split\na.avi,1,train\nb.avi,1,holdout\n", "table.unknown_split"),
        ("source,target,patient_id\na.avi,1,\nb.avi,1,\n", "table.empty_patient"),
        ("source,target,patient_id,split\na.avi,1,x,train\nb.avi,0,x,test\n", "cohort.patient_in_two_splits"),
        ("source,target\ncases.csv,1\n", "table.own_source"),
    ],
)
def test_unusable_table_is_refused(tmp_path: Path, text: str, code: str) -> None:
    with refused(code):
        read(write(tmp_path, text))


@pytest.mark.parametrize(
    ("column", "meant"),
    [
        ("Split", "split"), ("SPLIT", "split"), ("splits", "split"), ("PatientID", "patient_id"),
        ("Patient ID", "patient_id"), ("patient-id", "patient_id"), ("patient", "patient_id"),
        ("pateint_id", "patient_id"),
    ],
)  # fmt: skip
def test_a_column_that_is_nearly_a_known_one_is_not_passed_over(tmp_path: Path, column: str, meant: str) -> None:
    table = write(tmp_path, f"source,target,{column}\na.avi,1,test\nb.avi,0,test\n")
    for use in (read, check_dataset):
        with refused("table.misspelled_column", names=(meant,)):
            use(table)
    assert column in read(table, covariates=(column,)).cases
    table.write_text(f"source,target,patient_id,split,{column}\na.avi,1,x,train,0\n")
    if column not in ("patient_id", "split"):
        assert read(table).cases["patient_id"].nunique() == 1


@pytest.mark.parametrize("column", ["patient_name", "patient_sex", "patient_age", "spline", "site", "id"])
def test_a_column_of_another_meaning_is_only_counted(tmp_path: Path, column: str) -> None:
    assert "1 columns of the table are not kept" in str(
        read(write(tmp_path, f"source,target,{column}\na.avi,1,x\n")).warnings
    )


def test_text_as_bytes_in_parquet_is_text(tmp_path: Path) -> None:
    import pandas as pd

    place = tmp_path / "cases.parquet"
    pd.DataFrame({"source": [b"M\xc3\xbcller.avi"], "target": [1]}).to_parquet(place)
    assert read(place).cases["source"].tolist() == [str(tmp_path / "Müller.avi")]
    pd.DataFrame({"source": ["a.avi"], "target": [1], "blob": [b"\xff\xd8"]}).to_parquet(place)
    with refused("table.not_utf8", names=("'blob'",)):
        read(place)


def test_no_table_at_all_lets_a_fallback_in(tmp_path: Path) -> None:
    with refused("dataset.missing"):
        read(tmp_path / "nothing.csv")


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_bytes("source,target\nMüller.avi,1\n".encode("latin-1"))
    with refused("table.not_utf8"):
        read(tmp_path / "cases.csv")


@pytest.mark.parametrize("parameters", [{"covariates": ("source",)}, {"covariates": ("target",)}])
def test_reserved_names_are_refused(tmp_path: Path, parameters: dict[str, object]) -> None:
    with refused("table.reserved_column"):
        read(write(tmp_path, "source,target\na.avi,1\n"), **parameters)


HOSTILE = {
    "/etc/passwd": "source.outside",
    "../secret.avi": "source.outside",
    "..\\secret.avi": "source.outside",
    "a/../../secret.avi": "source.outside",
    "linked/../secret.avi": "source.outside",
    "\\\\nas\\secret.avi": "source.outside",
    "C:/secret.avi": "source.drive",
    ".": "source.empty",
    "": "source.empty",
    "sub/..": "source.empty",
    "out.avi": "source.outside",
    "pipe": "source.unusable",
    "linked/secret.avi": "source.outside",
}


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(("name", "code"), HOSTILE.items())
def test_a_source_never_leaves_the_folder_of_the_videos(tmp_path: Path, name: str, code: str, named: bool) -> None:
    root = tmp_path / "data"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "elsewhere" / "below").mkdir(parents=True)
    for place in (tmp_path, tmp_path / "elsewhere"):
        (place / "secret.avi").write_bytes(b"secret")
    (root / "out.avi").symlink_to(tmp_path / "secret.avi")
    (root / "linked").symlink_to(tmp_path / "elsewhere" / "below")
    os.mkfifo(root / "pipe")
    (tmp_path / "elsewhere" / "below" / "secret.avi").write_bytes(b"secret")
    text = f'source,target\nfine.avi,1\n"{name}",0\n'
    table = write(tmp_path / "elsewhere" if named else root, text)
    if name == "../secret.avi" and named:
        (tmp_path / "elsewhere" / "secret.avi").unlink()
    with refused(code, where="cases.csv:3") as caught:
        read(table, **{"root": str(root)} if named else {})
    assert "secret" not in caught.value.message


@given(name=st.text(max_size=40) | st.lists(st.sampled_from(["..", ".", "a", "/", "\\", "\0", "~", ""])).map("/".join))
def test_no_name_leaves_the_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.getbasetemp() / "below"
    root.mkdir(exist_ok=True)
    try:
        _, place = place_below(root, name, beside=root.parent)
    except DataError:
        return
    assert Path(os.path.realpath(place)).is_relative_to(os.path.realpath(root))
    assert place.resolve() != root.resolve()


def test_videos_stay_where_they_are(tmp_path: Path) -> None:
    nas, desk = tmp_path / "nas" / "echo", tmp_path / "desk"
    (nas / "2024").mkdir(parents=True)
    desk.mkdir()
    for name in ("a", "b", "c", "d", "e", "f"):
        (nas / "2024" / f"{name}.avi").write_bytes(b"video")
    (desk / "videos").symlink_to(nas)
    (nas / "newest").symlink_to(nas / "2024")
    sources = (
        "2024/a.avi", "2024\\b.avi", f"{nas}/2024/c.avi", "videos/2024/d.avi", "newest/../2024/e.avi", "newest/f.avi",
    )  # fmt: skip
    table = write(desk, "source,target\n" + "".join(f"{source},1\n" for source in sources))
    cases = read(table, root=str(nas)).cases
    assert [os.path.realpath(source) for source in cases["source"]] == [
        str(nas / "2024" / f"{name}.avi") for name in "abcdef"
    ]
    plain = read(write(nas, "source,target\n" + "".join(f"2024/{name}.avi,1\n" for name in "abcde")))
    assert cases["case_id"].tolist()[:5] == plain.cases["case_id"].tolist()  # the same video, the same name
    again = write(desk, f"source,target\n2024/a.avi,1\n{nas}/2024/a.avi,1\n", "again.csv")
    with refused("table.duplicate_source", where="again.csv:3"):
        read(again, root=str(nas))
    with refused("dataset.missing", where="data.root"):
        read(table, root=str(tmp_path / "unplugged"))
    findings = {one.check: one.count for one in check_dataset(table, {"root": str(nas)}, workers=1).findings}
    assert findings["bad_source"] == 0


def test_dicoms_are_grouped_by_the_patient_in_their_header(tmp_path: Path) -> None:
    for name in ("a.dcm", "b.dcm"):
        write_dicom(tmp_path / name, blobs(2))
    write_dicom(tmp_path / "c.dcm", blobs(2), PatientID="other")
    write_dicom(tmp_path / "d.dcm", blobs(2), PatientID=None)
    write_video(tmp_path / "e.avi", blobs(3), 30)
    cohort = read(
        write(
            tmp_path,
            "source,target\n" + "".join(f"{n},0\n" for n in ("a.dcm", "b.dcm", "c.dcm", "d.dcm")) + "e.avi,1\n",
        )
    )
    patients = cohort.cases["patient_id"].tolist()
    assert patients[0] == patients[1]
    assert len(set(patients)) == 4
    assert "2 videos have no patient: each counts as a patient of its own" in cohort.warnings
    shown = cohort.cases.to_csv() + str(cohort.warnings)
    assert IDENTIFIER not in shown
    assert NAME not in shown


def dicoms(folder: Path, *headers: str) -> None:
    for number, header in enumerate(headers):
        write_dicom(folder / f"{number}.dcm", blobs(2), PatientID=header)


def test_two_names_for_one_header_patient_are_refused(tmp_path: Path) -> None:
    dicoms(tmp_path, "one", "two", "two", "three")
    table = write(tmp_path, "source,target,patient_id\n0.dcm,0,a\n1.dcm,0,b\n2.dcm,1,c\n3.dcm,1,d\n")
    with refused("table.two_names", names=("line 3", "line 4")):
        read(table)
    findings = {one.check: one.count for one in check_dataset(table, workers=1).findings}
    assert findings["patient_under_two_names"] == 1
    write(tmp_path, "source,target,patient_id\n0.dcm,0,a\n1.dcm,0,b\n2.dcm,1,b\n3.dcm,1,d\n")
    assert read(table).warnings == ()


def test_one_name_in_all_headers_is_only_a_warning(tmp_path: Path) -> None:
    dicoms(tmp_path, "ANON", "ANON", "ANON", "four")
    table = write(tmp_path, "source,target,patient_id\n0.dcm,0,a\n1.dcm,0,b\n2.dcm,1,c\n3.dcm,1,d\n")
    cohort = read(table)
    assert cohort.cases["patient_id"].nunique() == 4
    assert [warning.split(" ")[0] for warning in cohort.warnings] == ["3"]
    findings = {one.check: one.count for one in check_dataset(table, workers=1).findings}
    assert (findings["patient_under_two_names"], findings["one_patient_in_headers"]) == (0, 3)


def test_spelling_variants_are_counted_without_the_name(tmp_path: Path) -> None:
    table = write(tmp_path, "source,target,patient_id\na.avi,0,MRN 1\nb.avi,1,mrn1\nc.avi,1,MRN2\n")
    (warning,) = read(table).warnings
    assert warning.startswith("1 names in patient_id have several spellings")
    assert "mrn" not in warning.lower()
    findings = {one.check: one.count for one in check_dataset(table, workers=1).findings}
    assert findings["patient_spelled_twice"] == 1


def series(folder: Path, count: int, **elements: object) -> Path:
    folder.mkdir()
    for number in range(count):
        write_dicom(folder / f"IM{number}", blobs(1), InstanceNumber=number, SeriesInstanceUID="1.2.3", **elements)
    return folder


@pytest.mark.parametrize("beside", ["DICOMDIR", "A_notes.txt", ".hidden"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_patient_is_read_from_the_very_files_that_are_the_video(tmp_path: Path, beside: str, count: int) -> None:
    series(tmp_path / "plain", count)
    place = series(tmp_path / "with", count) / beside
    if beside == "DICOMDIR":
        write_dicom(place, blobs(1), PatientID="other")
    else:
        place.write_text("hello")
    cohort = read(write(tmp_path, "source,target\nplain,1\nwith,0\n"))
    assert cohort.cases["patient_id"].nunique() == 1
    assert not cohort.warnings
    with refused("cohort.patient_in_two_splits", names=("'table'",)):
        read(write(tmp_path, "source,target,split\nplain,1,train\nwith,0,test\n"))
    findings = {one.check: one.count for one in check_dataset(tmp_path / "cases.csv", workers=1).findings}
    assert findings["patient_in_two_splits"] == 1


def test_a_series_of_two_patients_is_no_video_of_either(tmp_path: Path) -> None:
    place = series(tmp_path / "mixed", 2)
    write_dicom(place / "IM9", blobs(1), InstanceNumber=9, SeriesInstanceUID="1.2.3", PatientID="other")
    series(tmp_path / "unnamed", 2, PatientID=None)
    cohort = read(write(tmp_path, "source,target\nmixed,1\nunnamed,0\n"))
    assert cohort.cases["patient_id"].nunique() == 2
    assert cohort.warnings == ("2 videos have no patient: each counts as a patient of its own",)
    with refused("dicom_series.mixed"):
        read_video(place)


@pytest.mark.parametrize(
    ("time", "event", "value", "said"),
    [
        ("100", "1", 1, ""),
        ("365", "1", 1, ""),
        ("366", "true", 0, ""),
        ("365", "0", 0, ""),
        ("364.5", "0", None, "followed for 364.5 of 365 days without an event"),
        ("", "0", None, "no time"),
        ("soon", "1", None, "not a number of days"),
        ("-1", "1", None, "not a number of days"),
        ("nan", "1", None, "not a number of days"),
        ("100", "", None, "no event is given"),
        ("100", "2", None, "neither 0 nor 1"),
    ],
)
def test_the_status_at_the_horizon(time: str, event: str, value: float | None, said: str) -> None:
    found, why = status_at(365, time, event)
    assert said in why
    assert found == value if value is not None else found != found


@given(time=st.floats(0, 1e4), event=st.booleans(), horizon=st.floats(1, 1e4))
def test_a_status_is_known_exactly_if_it_was_seen(time: float, event: bool, horizon: float) -> None:
    value, why = status_at(horizon, repr(time), str(event))
    seen = event or time >= horizon
    assert (value == value) == seen == (why == "")
    if seen:
        assert value == float(event and time <= horizon)


def test_an_unknown_status_is_refused_by_name_unless_excluded(tmp_path: Path) -> None:
    table = write(tmp_path, "source,days,died\na.avi,400,0\nb.avi,100,0\nc.avi,10,1\n")
    cohort = read(table, horizon=365, time="days", event="died")
    unknown = cohort.cases["case_id"][1]
    with refused("target.unknown_value", names=("100 of 365 days", "line 3")):
        targets_of(cohort, TARGET)
    listing = write(tmp_path, f"{unknown}\n", "left_out.txt")
    assert targets_of(exclude(cohort, listing), TARGET).y_true.tolist() == [0, 1]


def test_a_target_and_a_horizon_are_one_too_many(tmp_path: Path) -> None:
    with refused("table.target_twice"):
        read(write(tmp_path, "source,time,event,target\na.avi,1,1,1\n"), horizon=365)


def test_a_target_that_is_no_number_names_its_row(tmp_path: Path) -> None:
    cohort = read(write(tmp_path, "source,target\na.avi,1\nb.avi,yes\nc.avi,\n"))
    with refused("target.unknown_value", where="cases.csv:3", names=("line 3", "line 4")):
        targets_of(cohort, TARGET)


@pytest.mark.parametrize(
    ("cell", "said"), [('"18,8"', "a decimal comma"), ('"18,8 %"', "a decimal comma"), ("55 %", "a % sign")]
)
def test_text_as_target_is_explained(tmp_path: Path, cell: str, said: str) -> None:
    cohort = read(write(tmp_path, f"source,target\na.avi,{cell}\nb.avi,{cell}\n"))
    with refused("target.unknown_value", where="cases.csv:2", names=(said,)):
        targets_of(cohort, TARGET)
    findings = {one.check: one for one in check_dataset(tmp_path / "cases.csv", workers=1).findings}
    assert (findings["unknown_target"].count, findings["unknown_target"].exclude) == (2, ())


WORDS = "source,target\n" + "".join(f"{n}.avi,{{{n % 2}}}\n" for n in range(4))


@pytest.mark.parametrize(
    ("one", "other", "settings", "word"),
    [
        ("died", "alive", {"positive": "died"}, "died"),
        (" Died ", "ALIVE", {"positive": "died"}, "died"),
        ("reduced", "normal", {"positive": "reduced"}, "reduced"),
        ("yes", "no", {"positive": "died"}, "yes"),
        ("y", "N", {"positive": "died"}, "y"),
        ("True", "False", {"positive": "died"}, "true"),
        ("no", "yes", {"positive": "survived", "word": "No"}, "no"),
        ("verstorben", "lebt", {"positive": "died", "word": "verstorben"}, "verstorben"),
    ],
)
def test_two_words_are_two_classes(tmp_path: Path, one: str, other: str, settings: dict[str, str], word: str) -> None:
    cohort = read(write(tmp_path, WORDS.format(other, one)))
    target = target_in(cohort, TargetSettings.model_validate({"from": "target", **settings}))
    assert targets_of(cohort, target).y_true.tolist() == [0, 1, 0, 1]
    assert (target.word, target.definition) == (word, f"{settings['positive']}: target = {word}")
    assert target_in(cohort, target) == target
    findings = {one.check: one for one in check_dataset(tmp_path / "cases.csv", workers=1).findings}
    assert findings["unknown_target"].count == 0


@pytest.mark.parametrize(
    ("cells", "settings", "code", "names"),
    [
        (("died", "alive"), {"positive": "dead"}, "target.unknown_word", ("'died'", "'alive'")),
        (("died", "alive"), {"positive": "died", "word": "dead"}, "target.unknown_word", ("'died'", "'alive'")),
        (("died", "alive", "lost"), {"positive": "died"}, "target.many_words", ("'lost' (1)",)),
        (("1", "0"), {"positive": "died", "word": "1"}, "target.no_words", ()),
    ],
)
def test_other_words_are_not_guessed(
    tmp_path: Path, cells: tuple[str, ...], settings: dict[str, str], code: str, names: tuple[str, ...]
) -> None:
    rows = "".join(f"{row}.avi,{cell}\n" for row, cell in enumerate(cells))
    cohort = read(write(tmp_path, f"source,target\n{rows}"))
    with refused(code, names=names):
        target_in(cohort, TargetSettings.model_validate({"from": "target", **settings}))


def test_an_empty_cell_among_words_is_unknown(tmp_path: Path) -> None:
    cohort = read(write(tmp_path, "source,target\na.avi,yes\nb.avi,\nc.avi,no\n"))
    with refused("target.unknown_value", where="cases.csv:3"):
        targets_of(cohort, target_in(cohort, TARGET))


def test_words_under_a_cut_off_are_refused(tmp_path: Path) -> None:
    cohort = read(write(tmp_path, "source,target\na.avi,low\nb.avi,high\n"))
    target = TargetSettings.model_validate({"from": "target", "positive": "low", "below": 50})
    with refused("target.unknown_value", where="cases.csv:2"):
        targets_of(cohort, target_in(cohort, target))


def test_splits_by_their_long_names(tmp_path: Path) -> None:
    text = "source,target,split\na.avi,1,Training\nb.avi,1,validation\nc.avi,1,VALID\nd.avi,0,testing\n"
    assert read(write(tmp_path, text)).cases["split"].tolist() == ["train", "val", "val", "test"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_unicode_text_with_decimal_commas(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = "source,target,age\r\nMüller.avi,35#5,40.5\r\nb.avi,60,7#1\r\n".replace(",", delimiter).replace("#", ",")
    (tmp_path / "cases.csv").write_bytes(text.encode(encoding))
    cohort = read(tmp_path / "cases.csv", covariates=("age",))
    assert cohort.cases["target"].tolist() == [35.5, 60]
    assert cohort.cases["age"].tolist() == ["40.5", "7,1"]  # a column with both marks stays as it is
    assert Path(cohort.cases["source"][0]).name == "Müller.avi"
    assert len(cohort.warnings) == 2


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "table.old_excel"),
        (b"PK\3\4" + bytes(600), "table.not_text"),
        (b"\x89PNG\r\n\x1a\n" + bytes(600), "table.not_text"),
        (b"\xff\xfe\x00", "table.not_utf8"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "cases.xls").write_bytes(content)
    with refused(code, where="cases.xls"):
        read(tmp_path / "cases.xls")


def workbook(place: Path, *sheets: list[list[object]]) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    book.save(place)
    return place


def test_a_workbook_gives_what_csv_gives(tmp_path: Path) -> None:
    import pandas as pd

    rows: list[list[object]] = [
        ["source", "target", "patient_id", "seen", "old", None],
        ["a.avi", 35.5, 7, datetime.datetime(2024, 5, 1), True],
        [],
        ["b.avi", 60, 8, None, None],
    ]
    place = workbook(tmp_path / "cases.xlsx", rows, [["notes"], ["of the ward"]])
    text = "source,target,patient_id,seen,old\na.avi,35.5,7,2024-05-01,1\n,,,,\nb.avi,60,8,,\n"
    kept = {"covariates": ("seen", "old")}
    found, csv_found = read(place, **kept), read(write(tmp_path, text), **kept)
    pd.testing.assert_frame_equal(found.cases, csv_found.cases)
    assert list(found.places.values()) == [f"{place}, row 2", f"{place}, row 4"]
    assert len(found.warnings) == len(csv_found.warnings) + 1  # the other sheet is not read
    findings = {one.check: one.count for one in check_dataset(place, workers=1).findings}
    assert findings["unknown_target"] == 0


def test_unusable_workbooks_are_refused(tmp_path: Path) -> None:
    with refused("table.no_rows"):
        read(workbook(tmp_path / "empty.xlsx", []))
    with refused("table.bad_row", where="row 2"):
        read(workbook(tmp_path / "long.xlsx", [["source", "target"], ["a.avi", 1, "more"]]))
    with zipfile.ZipFile(tmp_path / "broken.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<nothing")
    with refused("table.not_workbook", where="broken.xlsx"):
        read(tmp_path / "broken.xlsx")


def test_a_workbook_without_openpyxl_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "cases.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with refused("library.missing", where="cases.xlsx", names=("[excel]", "CSV")):
        read(tmp_path / "cases.xlsx")
