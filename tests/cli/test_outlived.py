"""A terminal or a pipe that goes away costs what would have been shown, and nothing else."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from echokit import load_run
from echokit.cli.outlived import Outlived


def test_what_nobody_reads_goes_nowhere() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as file:
        stream = Outlived(file)
        stream.write("heard\n")
        stream.flush()
        assert os.read(reading, 100) == b"heard\n"
        os.close(reading)
        for _ in range(3):
            assert stream.write("lost\n") == 5
            stream.flush()
        assert stream.encoding == "utf-8"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_is_still_an_error() -> None:
    with open("/dev/full", "w") as file:
        Outlived(file).write("x")
        with pytest.raises(OSError) as raised:  # noqa: PT011 - the number is looked at
            Outlived(file).flush()
        assert raised.value.errno == errno.ENOSPC
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def test_a_run_goes_on_when_nobody_reads_what_it_says(tiny: Path, tmp_path: Path) -> None:
    shorter = ["--set", "train.epochs=1", "--set", "report.page=false"]
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "echokit", "run", str(tiny), "--out", str(tmp_path / "runs"), *shorter],
        stdout=writing,
        stderr=writing,
    )
    os.close(writing)
    os.close(reading)
    assert process.wait(240) == 0
    assert load_run(tmp_path / "runs" / "tiny").complete
