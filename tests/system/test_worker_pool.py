"""Worker processes: results and their order, crashes, hangs, errors, and scripts without a main guard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from echokit.errors import DataError, EchokitError
from echokit.system.worker_pool import CRASHED, WorkerFailure, map_ordered, map_unordered
from tests.expect import refused


def square(number: int) -> int:
    time.sleep(0.01 * (number % 3))
    return number**2


def crash(number: int) -> int:
    if number in (3, 4, 11):
        os.kill(os.getpid(), signal.SIGSEGV)
    return number


def hang(number: int) -> int:
    while number == 2:
        time.sleep(0.1)
    return number


def fail(number: int) -> int:
    if number == 1:
        raise DataError("one is not allowed", hint="another number", where="numbers", code="test.one")
    return 10 // number


def nothing(number: int) -> None:
    return None


def own_pid(number: int) -> int:
    return os.getpid()


def local(number: int) -> object:
    class Own(Exception):
        pass

    if number:
        raise Own(f"number {number}")
    return lambda: number


@pytest.mark.parametrize("workers", [1, 3])
def test_every_item_has_its_result(workers: int) -> None:
    items = list(range(10))
    assert sorted(map_unordered(square, items, workers=workers)) == [(n, n**2) for n in items]
    assert list(map_ordered(square, items, workers=workers)) == [n**2 for n in items]
    assert list(map_unordered(square, [], workers=workers)) == []


def test_none_is_a_result() -> None:
    assert list(map_ordered(nothing, range(3), workers=2)) == [None, None, None]


def test_a_crash_loses_only_its_item() -> None:
    expected = [WorkerFailure(CRASHED) if n in (3, 4, 11) else n for n in range(12)]
    assert list(map_ordered(crash, range(12), workers=2)) == expected


def test_a_hang_is_stopped_at_the_limit() -> None:
    results = list(map_ordered(hang, range(4), workers=2, limit=1))
    assert [number for number in results if not isinstance(number, WorkerFailure)] == [0, 1, 3]
    assert isinstance(results[2], WorkerFailure)
    assert "1 s" in results[2].reason


def test_an_error_keeps_its_attributes_and_its_traceback() -> None:
    with refused("test.one", where="numbers") as caught:
        list(map_ordered(fail, [5, 1], workers=2))
    assert (type(caught.value), caught.value.hint) == (DataError, "another number")
    with pytest.raises(ZeroDivisionError) as raised:
        list(map_ordered(fail, [0], workers=1))
    assert "in fail" in str(raised.value.__cause__)


@pytest.mark.parametrize("number", [0, 1])
def test_an_unpicklable_result_is_an_error(number: int) -> None:
    with pytest.raises(Exception, match=r"number 1|local") as raised:
        list(map_unordered(local, [number], workers=1))
    assert "local" in str(raised.value.__cause__)


def test_closing_the_iterator_ends_all_processes() -> None:
    results = map_unordered(own_pid, range(50), workers=2)
    pids = {next(results)[1] for _ in range(4)}
    results.close()  # type: ignore[attr-defined]
    for pid in pids:
        assert isinstance(pid, int)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("seconds", [0, 0.5], ids=["as they start", "at work"])
def test_closing_the_iterator_prints_nothing(seconds: float) -> None:
    script = (
        "import time; from echokit.system.worker_pool import map_unordered\n"
        "from tests.system.test_worker_pool import square\n"
        f"results = map_unordered(square, range(50), workers=4); next(results); time.sleep({seconds}); results.close()"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


SCRIPT = """
    import sys
    from pathlib import Path
    import echokit

    {guard}
        echokit.run(sys.argv[1])
"""


@pytest.mark.parametrize("guard", ["if True:", 'if __name__ == "__main__":'])
def test_a_script_without_a_main_guard_is_an_error(tiny: Path, phantom: Path, tmp_path: Path, guard: str) -> None:
    script = tmp_path / "script.py"
    script.write_text("\n".join(line.removeprefix("    ") for line in SCRIPT.format(guard=guard).splitlines()))
    runs = tmp_path / "elsewhere"
    runs.mkdir()
    done = subprocess.run(
        [sys.executable, script, tiny], cwd=runs, env={**os.environ, "ECHOKIT_CACHE": str(runs / "cache")},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    if "__name__" in guard:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1
        assert done.stderr.count("Traceback") == 1
        assert EchokitError.__name__ in done.stderr
        assert '__name__ == "__main__"' in done.stderr
