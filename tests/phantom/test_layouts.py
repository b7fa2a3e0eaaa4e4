"""Every layout of the phantom: the same bytes, marked, and read by its dataset without warnings or losses."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from echokit import read_video
from echokit.cli import exit_code
from echokit.data.cohort.camus import Camus
from echokit.data.cohort.echonet_dynamic import EchonetDynamic
from echokit.data.cohort.echonet_pediatric import EchonetPediatric
from echokit.data.cohort.hospital_table import Table
from echokit.phantom.dataset import Phantom
from echokit.phantom.layouts import LAYOUTS
from echokit.pipeline.cohort_stage import read_cohort
from echokit.system.phantom_mark import MARKER

SMALL: dict[str, Any] = {"seed": 2, "size": 32, "frames": (30, 34)}
READERS = {
    "echonet_dynamic": lambda root: EchonetDynamic(root=str(root))(),
    "echonet_pediatric": lambda root: EchonetPediatric(root=str(root))(),
    "camus": lambda root: Camus(root=str(root), view="both")(),
    "table": lambda root: Table(table=str(root / "cases.csv"))(),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    roots = {}
    for name in READERS:
        roots[name] = tmp_path_factory.mktemp(name) / "data"
        LAYOUTS[name].load()(roots[name], cases=9, workers=1, **SMALL)
    return roots


def contents(directory: Path) -> dict[str, str]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("layout", READERS)
def test_every_video_of_every_layout_is_read_whole(written: dict[str, Path], layout: str) -> None:
    cohort = read_cohort(lambda: READERS[layout](written[layout]))
    assert cohort.phantom
    assert not cohort.unknown
    assert len(cohort) >= 9
    for source in cohort.cases["source"]:
        clip = read_video(source)
        assert not clip.damaged
        assert clip.frames.shape[1:] == (32, 32)
        assert clip.frames.std() > 5


@pytest.mark.parametrize("layout", READERS)
def test_the_same_arguments_give_the_same_bytes(tmp_path: Path, layout: str) -> None:
    advances: list[int] = []
    for name, workers in (("one", 1), ("two", 2)):
        LAYOUTS[layout].load()(tmp_path / name, cases=9, workers=workers, advance=advances.append, **SMALL)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert advances == [1] * 18
    assert (tmp_path / "one" / MARKER).exists()


def test_pediatric_patients_have_several_videos_in_one_fold(written: dict[str, Path]) -> None:
    root = written["echonet_pediatric"]
    views = [EchonetPediatric(root=str(root), view=view)().cases for view in ("A4C", "PSAX")]  # type: ignore[arg-type]
    assert views[0]["patient_id"].duplicated().any()
    both = np.concatenate([view[["patient_id", "fold"]].drop_duplicates().to_numpy() for view in views])
    assert len({patient for patient, _ in both}) == len({(patient, fold) for patient, fold in both})
    assert all("-" in case for case in views[0]["case_id"])


def test_camus_pixels_are_resampled_to_squares(written: dict[str, Path]) -> None:
    import nibabel

    source = Camus(root=str(written["camus"]))().cases["source"][0]
    stored = nibabel.load(source)
    across, down = stored.header.get_zooms()[:2]
    assert across == pytest.approx(2 * down)
    assert stored.shape[:2] == (32, 64)
    clip = read_video(source)
    assert clip.frames.shape[1:] == (32, 32)
    assert clip.spacing == (pytest.approx(across), pytest.approx(across))
    assert any("square" in note for note in clip.notes)


def test_camus_half_cycles_fit_their_masks(written: dict[str, Path]) -> None:
    import nibabel

    for _, case in Camus(root=str(written["camus"]), view="both")().cases.iterrows():
        labels = np.asarray(nibabel.load(case["source"].replace(".nii", "_gt.nii")).dataobj)
        area = (labels == 1).sum((0, 1))
        assert len(area) == case["frames"]
        assert {case["ed_frame"], case["es_frame"]} == {0, len(area) - 1}
        assert area[int(case["ed_frame"])] > area[int(case["es_frame"])]


def test_the_table_holds_every_kind_of_source(written: dict[str, Path]) -> None:
    cohort = READERS["table"](written["table"])
    kinds = {read_video(source, frames=2).source for source in cohort.cases["source"]}
    assert {kind.split()[0] for kind in kinds} == {"AVI", "MP4", "DICOM", "folder"}
    assert any("one file a frame" in kind for kind in kinds)
    assert cohort.cases["patient_id"].duplicated().any()
    outcome = Table(table=str(written["table"] / "cases.csv"), target="dead", horizon=365, time="days", event="died")()
    assert set(outcome.cases["dead"].dropna()) == {0.0, 1.0}


@pytest.mark.parametrize("layout", ["camus", "table"])
def test_a_recipe_can_name_every_layout(layout: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert len(Phantom(layout=layout, cases=6)()) == 6
    assert exit_code(["data", "phantom", str(tmp_path / "p"), "--layout", layout, "--cases", "1"]) == 0
    out = capsys.readouterr().out
    assert "PHANTOM DATA" in out
    assert str(tmp_path / "p") in out
    assert (tmp_path / "p" / MARKER).exists()


def test_two_runs_create_the_same_hearts_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path))
    started = threading.Barrier(2)

    def read(_: int) -> list[str]:
        started.wait()
        return [str(case) for case in Phantom(cases=12, seed=5)().cases["case_id"]]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(read, range(2))
    assert first == second
    assert len(first) == 12
    assert [path.suffix for path in (tmp_path / "phantom").iterdir() if path.is_file()] == [".lock"]
