"""Synthetic data is recognized by its marker from any path to it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from echokit.data.cohort.echonet_dynamic import EchonetDynamic
from echokit.data.cohort.hospital_table import Table
from echokit.phantom.layouts import LAYOUTS
from echokit.system.phantom_mark import MARKER, is_phantom
from echokit.tools.dataset_check.check_dataset import check_dataset
from echokit.tools.mask_audit.subjects import subjects_of


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
    assert Table(table=str(tmp_path / "cases.csv"))().phantom
    assert check_dataset(tmp_path / "cases.csv").phantom
    (tmp_path / "hearts" / MARKER).unlink()
    assert not Table(table=str(tmp_path / "cases.csv"))().phantom


def test_links_to_phantom_videos_are_marked(phantoms: Path, tmp_path: Path) -> None:
    (tmp_path / "Videos").symlink_to(phantoms / "echonet_dynamic" / "Videos")
    shutil.copy(phantoms / "echonet_dynamic" / "FileList.csv", tmp_path)
    assert EchonetDynamic(root=str(tmp_path))().phantom
    assert check_dataset(tmp_path).phantom


def test_a_folder_inside_a_phantom_folder_is_marked(phantoms: Path) -> None:
    assert check_dataset(phantoms / "echonet_pediatric" / "A4C").phantom
    assert subjects_of([str(phantoms / "echonet_dynamic" / "Videos")]).phantom
    assert not is_phantom(phantoms)
