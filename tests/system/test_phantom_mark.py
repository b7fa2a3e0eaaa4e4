"""Synthetic data is recognized by its marker from any path to it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import echokit
from echokit.data.cohort.echonet_dynamic import EchonetDynamic
from echokit.data.cohort.hospital_table import Table
from echokit.phantom.layouts import LAYOUTS
from echokit.pipeline.cohort_stage import read_cohort
from echokit.plugins.discovery import discover
from echokit.system.phantom_mark import MARKER, all_phantom, is_phantom
from echokit.tools.dataset_check.check_dataset import check_dataset
from echokit.tools.mask_audit.subjects import subjects_of
from tests.plugins.test_discovery import install


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stamp")
    for name in ("echonet_dynamic", "echonet_pediatric"):
        LAYOUTS[name].load()(folder / name, cases=6, seed=3, ef="wide", size=32, frames=(12, 14), workers=1)
    return folder


def test_a_table_above_a_phantom_folder_is_marked(phantoms: Path, tmp_path: Path) -> None:
    shutil.copytree(phantoms / "echonet_dynamic", tmp_path / "hearts")
    videos = sorted((tmp_path / "hearts" / "Videos").glob("*.avi"))
    lines = [f"hearts/Videos/{path.name},{number % 2}" for number, path in enumerate(videos)]
    (tmp_path / "cases.csv").write_text("source,target\n" + "\n".join(lines) + "\n")
    assert read_cohort(Table(table=str(tmp_path / "cases.csv"))).phantom
    assert check_dataset(tmp_path / "cases.csv").phantom
    (tmp_path / "hearts" / MARKER).unlink()
    assert not read_cohort(Table(table=str(tmp_path / "cases.csv"))).phantom


def test_plugins_ask_for_a_folder_a_video_or_a_cohort(phantoms: Path, tmp_path: Path) -> None:
    root = tmp_path / "hearts"
    shutil.copytree(phantoms / "echonet_dynamic", root)
    cohort = EchonetDynamic(root=str(root))()
    data = (root, str(root / "Videos"), cohort.cases["source"][0], replace(cohort, phantom=True), cohort)
    assert [echokit.is_phantom(one) for one in data] == [True] * 5
    (root / MARKER).unlink()
    assert [echokit.is_phantom(one) for one in data] == [False] * 3 + [True, False]


def test_links_to_phantom_videos_are_marked(phantoms: Path, tmp_path: Path) -> None:
    (tmp_path / "Videos").symlink_to(phantoms / "echonet_dynamic" / "Videos")
    shutil.copy(phantoms / "echonet_dynamic" / "FileList.csv", tmp_path)
    assert read_cohort(EchonetDynamic(root=str(tmp_path))).phantom
    assert check_dataset(tmp_path).phantom


def test_a_folder_inside_a_phantom_folder_is_marked(phantoms: Path) -> None:
    assert check_dataset(phantoms / "echonet_pediatric" / "A4C").phantom
    assert subjects_of([str(phantoms / "echonet_dynamic" / "Videos")]).phantom
    assert not is_phantom(phantoms)


def test_one_video_without_the_mark_is_noticed(phantoms: Path, tmp_path: Path) -> None:
    videos = sorted((phantoms / "echonet_dynamic" / "Videos").glob("*.avi"))
    other = Path(shutil.copy(videos[0], tmp_path / "patient.avi"))
    assert is_phantom(other, *videos)
    assert all_phantom(*videos)
    assert not all_phantom(other, *videos)
    assert not is_phantom(other)


PLUGIN = """
from echokit import hookimpl

@hookimpl
def echokit_components(register):
    register.dataset("own_list", "lab_list.own:OwnList", summary="a dataset that knows nothing of phantoms")
"""
DATASET = """
from pathlib import Path

import pandas as pd

from echokit import Cohort, DataPath


class OwnList:
    '''List the videos of a folder.

    Args:
        root: The folder.
    '''

    def __init__(self, *, root: DataPath) -> None:
        self.root = Path(root)

    def __call__(self) -> Cohort:
        videos = sorted(self.root.rglob("*.avi"))
        names = [path.stem for path in videos]
        table = {"case_id": names, "patient_id": names, "source": [str(path) for path in videos], "split": ""}
        return Cohort(pd.DataFrame(table), name="own list")
"""


def test_the_dataset_of_a_plugin_is_stamped(phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    install(tmp_path / "site", "lab_list", "")
    (tmp_path / "site" / "lab_list" / "__init__.py").write_text(PLUGIN)
    (tmp_path / "site" / "lab_list" / "own.py").write_text(DATASET)
    own = discover().registry.get("dataset", "own_list").load()
    assert read_cohort(own(root=str(phantoms / "echonet_dynamic"))).phantom
    shutil.copytree(phantoms / "echonet_dynamic" / "Videos", tmp_path / "patients")
    assert not read_cohort(own(root=str(tmp_path / "patients"))).phantom
    shutil.copy(phantoms / "echonet_dynamic" / MARKER, tmp_path)
    assert read_cohort(own(root=str(tmp_path / "patients"))).phantom
