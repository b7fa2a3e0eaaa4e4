"""Disks that are full at any byte: one error line with a file, and a run continues once there is room."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from echokit import load_run
from echokit.system.checksums import file_checksum, write_checksums
from tests.conftest import TINY
from tests.slow.campaign import Campaign
from tests.slow.commands import Commands, Done

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/dev/full").exists(), reason="limits files as Linux does"),
]
SIZES = (1000, 3000, 10_000, 60_000, 200_000)
"""Bytes that a file may have."""
ROOM = (0, 8, 20, 200, 450)
"""KiB that are left on a disk."""
KEPT = ("lock.yaml", "cohort.csv", "checkpoints")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Iterator[Commands]:
    """Commands over a recipe of one epoch, and a run of it."""
    folder = tmp_path_factory.mktemp("disk")
    (folder / "tiny.yaml").write_text(TINY.format(root=phantom).replace("epochs: 2", "epochs: 1"))
    with Commands(folder, {"ECHOKIT_CACHE": str(folder / "cache")}) as started:
        done = started.run("run", folder / "tiny.yaml", "--out", folder / "runs")
        assert done.code == 0, done.stderr
        done = started.run("data", "phantom", folder / "studies", "--layout", "clinical", "--cases", 2)
        assert done.code == 0, done.stderr
        yield started


def says_full(done: Done, *, may_fit: bool = False) -> None:
    """Check the end of a command on a full disk."""
    if may_fit and done.code == 0:
        return
    assert done.code == 2, f"{done.code}: {done.stderr[-2000:]}"
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr[-2000:]
    assert "File too large" in errors[0] or "No space left" in errors[0], errors[0]
    assert any(mark in errors[0] for mark in (".", "/")), errors[0]


def test_files_that_cannot_grow(commands: Commands, phantom: Path, tmp_path: Path) -> None:
    videos = sorted((phantom / "Videos").iterdir())[:2]
    run = load_run(commands.folder / "runs" / "tiny").path
    campaign = Campaign("files that cannot grow")
    for most in SIZES:
        out = tmp_path / str(most)
        tried: dict[str, list[object]] = {
            "run": ["run", commands.folder / "tiny.yaml", "--out", out / "runs"],
            "report": ["report", run],
            "predict": ["predict", run, *videos, "--overlays", out / "overlays"],
            "mask": ["mask", *videos, "--out", out / "masked"],
            "audit": ["mask", commands.folder / "studies", "--audit", "--out", out / "audit"],
            "convert": ["data", "convert", commands.folder / "studies", "--to", out / "converted"],
            **{
                layout: ["data", "phantom", out / layout, "--layout", layout, "--cases", 2]
                for layout in ("echonet_dynamic", "echonet_pediatric", "camus", "table", "clinical")
            },
        }
        for name, arguments in tried.items():
            with campaign.attempt(f"{name} with files of at most {most} bytes"):
                says_full(commands.run(*arguments, RLIMIT_FSIZE=most), may_fit=most >= 100_000)
        left = [path.name for path in out.glob(".*")] if out.exists() else []
        with campaign.attempt(f"no remains at {most} bytes"):
            assert not left, left
    campaign.finish(at_least=60)


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[Path]:
    """Mount a file system of its own in memory, if this user may."""
    folder.mkdir(exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", folder], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_run_on_a_full_disk_continues_once_there_is_room(commands: Commands, tmp_path: Path) -> None:
    recipe, first = commands.folder / "tiny.yaml", load_run(commands.folder / "runs" / "tiny").path
    campaign = Campaign("runs on a full disk, resumed")
    for kib in ROOM:
        for trained in (False, True):
            moment = "after" if trained else "before"
            with campaign.attempt(f"{kib} KiB {moment} training"), small_disk(tmp_path / "disk", 8000) as disk:
                if trained:
                    shutil.copytree(first.parent, disk / "tiny", symlinks=True)
                    for path in (disk / "tiny" / first.name).iterdir():
                        if path.name not in KEPT:
                            shutil.rmtree(path) if path.is_dir() else path.unlink()
                    unfinished = disk / "tiny" / first.name
                    write_checksums(unfinished, {"lock.yaml": file_checksum(unfinished / "lock.yaml")})
                free = os.statvfs(disk)
                (disk / "junk").write_bytes(bytes(free.f_bavail * free.f_bsize - kib * 1024))
                again = ["--resume"] if trained else []
                says_full(commands.run("run", recipe, "--out", disk, *again))
                (disk / "junk").unlink()
                started = (disk / "tiny" / "latest" / "lock.yaml").is_file()
                done = commands.run("run", recipe, "--out", disk, *(["--resume"] if started else []))
                assert done.code == 0, done.stderr[-2000:]
                path = load_run(disk / "tiny").path
                for name in ("predictions.csv", "metrics.json", "cohort.csv"):
                    assert (path / name).read_bytes() == (first / name).read_bytes(), name
    campaign.finish(at_least=2 * len(ROOM))
