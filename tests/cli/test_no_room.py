"""A full disk, closed streams and too little memory: one line that names what is full, and no traceback."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.system.exhausted import describe_exhausted, is_out_of_memory

LIMITED = """
import resource, sys
resource.setrlimit(resource.{limit}, ({most}, {most}))
from echokit.__main__ import main
main()
"""
needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="limits files and memory as Linux does")
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def limited(limit: str, most: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command under a limit of ``resource``."""
    command = [sys.executable, "-c", LIMITED.format(limit=limit, most=most), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


def in_shell(redirected: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose standard streams the shell redirects."""
    command = ["sh", "-c", f'"$@" {redirected}', "sh", sys.executable, "-m", "echokit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


def one_error(done: subprocess.CompletedProcess[str], *names: str) -> None:
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert all(name in errors[0] for name in names), errors[0]


@pytest.fixture(scope="module")
def run(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one epoch."""
    from tests.conftest import TINY

    folder = tmp_path_factory.mktemp("run")
    (folder / "tiny.yaml").write_text(TINY.format(root=phantom).replace("epochs: 2", "epochs: 1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(folder / "cache"))
        assert exit_code(["run", str(folder / "tiny.yaml"), "--out", str(folder / "runs")]) == 0
    return load_run(folder / "runs" / "tiny").path


@pytest.fixture
def cache(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prepared clips of that run."""
    monkeypatch.setenv("ECHOKIT_CACHE", str(run.parents[2] / "cache"))


def _truth(path: Path) -> None:
    from echokit.phantom.clinical.patients import sample_patients
    from echokit.phantom.clinical.screen import draw_screen
    from echokit.phantom.clinical.truth import truth_of, write_truth

    patient = sample_patients(0, patients=1, deaths=None, frames=(2, 3))[0]
    write_truth(path, truth_of(patient.clips[0], draw_screen(patient, 0)))


def _dicom(path: Path) -> None:
    from echokit.phantom.write_dicom import write_grey_dicom

    write_grey_dicom(path, np.zeros((2, 32, 32), np.uint8), fps=30, patient="p", series="s")


def _avi(path: Path) -> None:
    from echokit.phantom.write_mjpeg import write_mjpeg

    write_mjpeg(path, np.zeros((2, 32, 32), np.uint8), 30)


def _csv(path: Path) -> None:
    from echokit.phantom.directory import write_csv

    write_csv(path, ["a"], [["b"]])


def _figure(path: Path) -> None:
    from matplotlib.figure import Figure

    from echokit.results.figures.figure_style import save

    save(Figure(), path)


def _listing(path: Path) -> None:
    from echokit.tools.convert.convert import _write_rows

    _write_rows(path, ["a"], [["b"]])


@needs_full
@pytest.mark.parametrize("write", [_truth, _dicom, _avi, _csv, _figure, _listing])
def test_a_full_disk_is_reported_with_the_file(write: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "file.npz"  # numpy adds this ending to others
    path.symlink_to("/dev/full")
    with pytest.raises(OSError) as raised:  # noqa: PT011 - errno is checked below
        write(path)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(path))
    described = describe_exhausted(raised.value)
    assert described is not None
    assert (described.code, described.where) == ("system.disk_full", str(path))


@needs_limits
@pytest.mark.parametrize("layout", ["echonet_dynamic", "echonet_pediatric", "camus", "table", "clinical"])
def test_a_phantom_names_its_file_and_leaves_nothing(layout: str, tmp_path: Path) -> None:
    done = limited("RLIMIT_FSIZE", 2000, "data", "phantom", tmp_path / "hearts", "--layout", layout, "--cases", 2)
    one_error(done, str(tmp_path / "hearts"))
    assert list(tmp_path.iterdir()) == []


@needs_limits
@pytest.mark.parametrize(("most", "name"), [(1000, "lock.yaml"), (9000, "model.safetensors")])
@pytest.mark.usefixtures("cache")
def test_a_run_names_its_file(most: int, name: str, run: Path, tmp_path: Path) -> None:
    done = limited("RLIMIT_FSIZE", most, "run", run.parents[2] / "tiny.yaml", "--out", tmp_path)
    one_error(done, str(tmp_path / "tiny"), name)


@pytest.mark.slow
@needs_limits
@pytest.mark.usefixtures("cache")
def test_a_report_that_was_not_written_is_an_error_of_a_complete_run(run: Path, tmp_path: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in run.rglob("*.*")}
    rest = sizes["report.html"] - 1
    assert rest > max(size for name, size in sizes.items() if name.endswith((".png", ".md", ".json", ".csv")))
    resumed = tmp_path / "tiny" / run.name
    resumed.parent.mkdir()
    subprocess.run(["cp", "-r", run, resumed], check=True)
    (resumed / "summary.md").unlink()
    (resumed / "report.html").unlink()
    recipe = run.parents[2] / "tiny.yaml"
    done = limited("RLIMIT_FSIZE", rest, "run", recipe, "--out", tmp_path, "--resume", resumed)
    one_error(done, "report.html")
    assert load_run(resumed).complete
    assert exit_code(["report", str(resumed)]) == 0


@needs_limits
@pytest.mark.usefixtures("cache")
@pytest.mark.slow
def test_overlays_masks_and_conversions_end_on_a_full_disk(run: Path, phantom: Path, tmp_path: Path) -> None:
    videos = sorted((phantom / "Videos").iterdir())[:2]
    for arguments in (
        ["predict", run, *videos, "--overlays", tmp_path / "overlays"],
        ["mask", *videos, "--out", tmp_path / "masked"],
        ["mask", phantom, "--audit", "--out", tmp_path / "audit"],
        ["data", "convert", *videos, "--to", tmp_path / "converted"],
    ):
        one_error(limited("RLIMIT_FSIZE", 500, *arguments))
    assert not (tmp_path / "converted").exists()


@needs_full
@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["schema"], ["--help"], ["explain", "ef_112"]])
def test_a_full_standard_output_is_an_error(arguments: list[str]) -> None:
    one_error(in_shell("> /dev/full", *arguments), "standard output")


@needs_full
def test_messages_that_cannot_be_written_are_discarded() -> None:
    assert in_shell("2> /dev/full", "list").returncode == 0
    assert in_shell("2> /dev/full", "validate", "no_such_recipe").returncode == 2


@pytest.mark.parametrize("redirected", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(redirected: str) -> None:
    done = in_shell(redirected, "list", "--json")
    assert done.returncode == 0, done.stderr
    assert not done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("cache")
def test_no_output_enters_a_file_of_a_run_without_streams(run: Path, tmp_path: Path) -> None:
    done = in_shell("<&- >&- 2>&-", "run", str(run.parents[2] / "tiny.yaml"), "--out", str(tmp_path))
    assert done.returncode == 0
    again = load_run(tmp_path / "tiny")
    assert again.complete
    for name in ("predictions.csv", "cohort.csv", "notes.json"):
        assert (again.path / name).read_bytes() == (run / name).read_bytes()


@needs_limits
@pytest.mark.parametrize("megabytes", [120, 500, 1500])
def test_out_of_memory_is_one_line(megabytes: int, run: Path, tmp_path: Path) -> None:
    done = limited("RLIMIT_AS", megabytes << 20, "run", run.parents[2] / "tiny.yaml", "--out", tmp_path)
    one_error(done, "out of memory")


@needs_limits
def test_a_limit_that_leaves_no_room_to_compute_is_refused() -> None:
    code = """
import resource
import torch
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 2**29, taken + 2**29))
from echokit.errors import EchokitError
from echokit.training.hardware.device import fix_threads
try:
    fix_threads()
except EchokitError as error:
    print(error.code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=240)
    assert done.stdout == "system.out_of_memory\n", done.stderr


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
    ],
)
def test_messages_of_all_allocators_are_known(error: Exception) -> None:
    assert is_out_of_memory(error)
    described = describe_exhausted(error)
    assert described is not None
    assert described.code == "system.out_of_memory"


def test_a_defect_is_not_described() -> None:
    assert describe_exhausted(ValueError("can't allocate memory of the reader")) is None
    assert describe_exhausted(OSError(errno.EBADF, os.strerror(errno.EBADF))) is None
