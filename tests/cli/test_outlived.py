"""A command continues after its terminal or pipe is closed."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from echokit import load_run
from echokit.cli.closed_streams import ClosableStream


def test_output_to_a_closed_pipe_is_discarded() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as file:
        stream = ClosableStream(file)
        stream.write("read\n")
        stream.flush()
        assert os.read(reading, 100) == b"read\n"
        os.close(reading)
        for _ in range(3):
            assert stream.write("lost\n") == 5
            stream.flush()
        assert stream.encoding == "utf-8"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error() -> None:
    with open("/dev/full", "w") as file:
        ClosableStream(file).write("x")
        with pytest.raises(OSError) as raised:  # noqa: PT011 - errno is checked below
            ClosableStream(file).flush()
        assert raised.value.errno == errno.ENOSPC
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def test_a_run_completes_after_its_pipe_is_closed(tiny: Path, tmp_path: Path) -> None:
    shortened = ["--set", "train.epochs=1", "--set", "report.page=false"]
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "echokit", "run", str(tiny), "--out", str(tmp_path / "runs"), *shortened],
        stdout=writing,
        stderr=writing,
    )
    os.close(writing)
    os.close(reading)
    assert process.wait(240) == 0
    assert load_run(tmp_path / "runs" / "tiny").complete
