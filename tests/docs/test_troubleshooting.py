"""Every error of the page "When something goes wrong" is produced, with the code and the words of the page."""

import csv
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from echokit.system.exhausted import describe_exhausted
from tests.cli.test_no_room import limited, needs_limits
from tests.conftest import TINY
from tests.expect import command_error

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
WORDS = {code: quoted for quoted, code in re.findall(r"^### (.+?) \{ #([\w.]+) \}$", PAGE.read_text("utf-8"), re.M)}
TABLE = """
extends: tiny.yaml
data: {{use: table, table: {0}.csv}}
target: {{from: target, positive: reduced, below: 50}}
"""
DRY = ("run", "tiny.yaml", "--dry-run", "--set")
COMMANDS = {
    "device.no_cuda": ("run", "tiny.yaml", "--dry-run", "--device", "cuda"),
    "track.not_installed": (*DRY, "track=[mlflow]"),
    "recipe.not_found": ("run", "quickstat"),
    "yaml.invalid": ("validate", "tabs.yaml"),
    "parameter.unknown": ("validate", "tiny.yaml", "--set", "train.epoch=3"),
    "component.unknown": ("validate", "tiny.yaml", "--set", "model.backbone.use=resnet19"),
    "dataset.missing": (*DRY, "data.root=nowhere"),
    "table.misspelled_column": ("run", "misspelled.yaml", "--dry-run"),
    "target.fractions": ("run", "fractions.yaml", "--dry-run"),
    "cohort.patient_in_two_splits": ("run", "mixed.yaml", "--dry-run"),
    "split.not_official": ("run", "unsplit.yaml", "--dry-run"),
    "fold.one_class": (*DRY, "target.below=1"),
    "train.no_validation": (*DRY, "resample={use: holdout, val: 0.0}"),
    "data.too_many_unreadable": ("data", "prepare", "tiny.yaml", "--set", "data.root=broken"),
    "source.no_video": ("mask", "notes.txt", "--out", "masked"),
    "run.not_found": ("report", "nothing"),
    "weights.no_run": (*DRY, "model.weights=run:ef_56"),
}
PROCESSES = ("workers.not_started", "system.out_of_memory", "system.disk_full")


@pytest.fixture
def desk(phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with recipes, tables and videos, each wrong in one way."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY.format(root=phantom))
    Path("tabs.yaml").write_text("name: tabs\ndata:\n\tuse: echonet_dynamic\n")
    Path("notes.txt").write_text("no video")
    shutil.copytree(phantom / "Videos", "videos")
    with (phantom / "FileList.csv").open() as file:
        hearts = [
            (f"videos/{row['FileName'].removesuffix('.avi')}.avi", float(row["EF"])) for row in csv.DictReader(file)
        ]
    parts = ["train", "train", "train", "val", "test"] * 5
    tables = {
        "misspelled": ("PatientID,split", [f"{ef},p{n},{parts[n]}" for n, (_, ef) in enumerate(hearts)]),
        "fractions": ("patient_id,split", [f"{ef / 100},p{n},{parts[n]}" for n, (_, ef) in enumerate(hearts)]),
        "mixed": ("patient_id,split", [f"{ef},p{n // 2},{parts[n]}" for n, (_, ef) in enumerate(hearts)]),
        "unsplit": ("patient_id", [f"{ef},p{n}" for n, (_, ef) in enumerate(hearts)]),
    }
    for name, (head, rows) in tables.items():
        lines = [f"{video},{row}" for (video, _), row in zip(hearts, rows, strict=True)]
        Path(f"{name}.csv").write_text("\n".join([f"source,target,{head}", *lines]) + "\n")
        Path(f"{name}.yaml").write_text(TABLE.format(name))
    return tmp_path


def check_words(code: str, said: str) -> None:
    assert any(words in said for words in re.findall("`([^`]+)`", WORDS[code])), said


def test_the_page_has_twenty_errors_and_each_is_produced() -> None:
    assert len(WORDS) == 20
    assert set(WORDS) == {*COMMANDS, *PROCESSES}


@pytest.mark.parametrize("code", COMMANDS)
def test_the_command_ends_with_the_error_of_the_page(code: str, desk: Path, phantom: Path) -> None:
    if code == "track.not_installed" and find_spec("mlflow") is not None:
        pytest.skip("mlflow is installed")
    if code == "device.no_cuda":
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a GPU")
    if code == "data.too_many_unreadable":
        shutil.copytree(phantom, desk / "broken")
        for video in sorted((desk / "broken" / "Videos").glob("*.avi"))[:4]:
            video.write_bytes(b"cut off")
    error = command_error(list(COMMANDS[code]))
    assert code in (error.code, *(problem.code for problem in getattr(error, "problems", ())))
    check_words(code, str(error))


@needs_limits
def test_a_full_disk_has_the_words_of_the_page(desk: Path) -> None:
    done = limited("RLIMIT_FSIZE", 3000, "data", "phantom", "hearts", "--cases", "6")
    assert done.returncode == 2, done.stderr
    check_words("system.disk_full", done.stderr)


@needs_limits
def test_too_little_memory_has_the_words_of_the_page(desk: Path) -> None:
    done = limited("RLIMIT_AS", 1500 * 2**20, "run", "tiny.yaml")
    assert done.returncode == 2, done.stderr
    check_words("system.out_of_memory", done.stderr)
    described = describe_exhausted(MemoryError())
    assert described is not None
    assert described.code == "system.out_of_memory"


def test_a_script_without_a_guard_has_the_words_of_the_page(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOKIT_CACHE", str(desk / "cache"))  # without prepared clips, so that workers must start
    (desk / "script.py").write_text('import echokit\nechokit.run("tiny.yaml")\n')
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1
    check_words("workers.not_started", done.stderr)
