"""What keeps echokit from starting on Windows and macOS: imports, and how its processes start."""

import ast
import os
import signal
import sys
from pathlib import Path

import pytest

from echokit.system import worker_pool
from echokit.system.files import write_text
from echokit.system.worker_pool import CRASHED, WorkerFailure, map_ordered

PACKAGE = Path(__file__).parents[2] / "echokit"
POSIX_ONLY = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
MISSING = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


def test_no_module_needs_posix_to_be_imported() -> None:
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
            found += [f"{path.name}: {name}" for name in names if name in POSIX_ONLY or name in MISSING]
    assert not found


def crash_at_two(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    return number**2


def test_workers_that_are_spawned_do_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "START_METHOD", "spawn")
    results = list(map_ordered(crash_at_two, range(4), workers=2))
    assert results == [0, 1, WorkerFailure(CRASHED), 9]


def test_a_file_is_written_where_no_folder_can_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    system_open = os.open

    def as_windows(path: Path, flags: int, *mode: int) -> int:
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied", str(path))
        opened.append(flags & os.O_RDWR)
        return system_open(path, flags, *mode)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "open", as_windows)
    write_text(tmp_path / "a", "content")
    assert opened == [os.O_RDWR]  # Windows flushes only a file that is open for writing
    assert (tmp_path / "a").read_text() == "content"
