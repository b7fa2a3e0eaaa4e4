"""End-diastole and end-systole of the tracings of EchoNet-Dynamic."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from echokit.data.cohort.echonet_dynamic import EchonetDynamic
from tests.expect import refused


def test_the_frame_with_the_larger_area_is_end_diastole(phantom: Path) -> None:
    dataset = EchonetDynamic(root=str(phantom))
    truth = pd.read_csv(phantom / "PhantomTruth.csv")
    ends = dataset.end_frames()
    assert len(ends) == len(dataset().cases)
    for row in truth.itertuples():
        assert ends[Path(str(row.FileName)).stem] == (row.ED_frame, row.ES_frame)


def table(rows: list[tuple[str, float, float, object]]) -> str:
    lines = [f"{name},0,{at},{length},{at},{frame}" for name, at, length, frame in rows]
    return "\n".join(["FileName,X1,Y1,X2,Y2,Frame", *lines]) + "\n"


def trace(name: str, frame: object, axis: float, chords: float) -> list[tuple[str, float, float, object]]:
    return [(name, 0, axis, frame), *[(name, at, chords, frame) for at in (1.0, 2.0, 3.0)]]


def test_order_in_time_and_in_the_file_do_not_matter(tmp_path: Path) -> None:
    rows = [*trace("a.avi", 30, 20, 9), *trace("b", 4, 20, 5), *trace("a.avi", 12, 16, 4), *trace("b", 9, 21, 6)]
    (tmp_path / "VolumeTracings.csv").write_text(table(rows))
    assert EchonetDynamic(root=str(tmp_path)).end_frames() == {"a": (30, 12), "b": (9, 4)}


@pytest.mark.parametrize(
    "rows",
    [
        trace("a", 1, 20, 9),
        [*trace("a", 1, 20, 9), *trace("a", 2, 18, 8), *trace("a", 3, 16, 7)],
        [*trace("a", 1, 20, 9), *trace("a", 2, 20, 9)],
        [*trace("a", "x", 20, 9), *trace("a", 2, 20, 9)],
        [*trace("a", 1, 20, 9), *trace("a", 2, np.nan, 9)],
    ],
    ids=["one frame", "three frames", "equal areas", "no number", "no length"],
)
def test_other_tracings_are_unknown(tmp_path: Path, rows: list[tuple[str, float, float, object]]) -> None:
    (tmp_path / "VolumeTracings.csv").write_text(table([*rows, *trace("good", 1, 20, 9), *trace("good", 2, 18, 8)]))
    assert EchonetDynamic(root=str(tmp_path)).end_frames() == {"good": (1, 2)}


def test_without_tracings_nothing_is_known(tmp_path: Path) -> None:
    assert EchonetDynamic(root=str(tmp_path)).end_frames() == {}


def test_another_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "VolumeTracings.csv").write_text("FileName,Frame\na,1\n")
    with refused("table.not_csv", "VolumeTracings.csv"):
        EchonetDynamic(root=str(tmp_path)).end_frames()
