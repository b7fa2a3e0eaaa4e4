"""Work in other processes: its results, their order, and what a crash, a hang and a missing guard cost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from echokit.errors import DataError, EchokitError
from echokit.workers import CRASHED, Lost, in_order, spread


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
        raise DataError("one is not allowed", hint="another number", where="numbers")
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
    assert sorted(spread(square, items, workers=workers)) == [(n, n**2) for n in items]
    assert list(in_order(square, items, workers=workers)) == [n**2 for n in items]
    assert list(spread(square, [], workers=workers)) == []


def test_nothing_is_a_result_too() -> None:
    assert list(in_order(nothing, range(3), workers=2)) == [None, None, None]


def test_a_crash_costs_its_item() -> None:
    expected = [Lost(CRASHED) if n in (3, 4, 11) else n for n in range(12)]
    assert list(in_order(crash, range(12), workers=2)) == expected


def test_a_hang_is_ended() -> None:
    assert list(in_order(hang, range(4), workers=2, limit=1)) == [0, 1, Lost("it took more than 1 s and was ended"), 3]


def test_an_error_comes_back_with_the_place_where_it_was_raised() -> None:
    with pytest.raises(DataError, match="one is not allowed") as told:
        list(in_order(fail, [5, 1], workers=2))
    assert (told.value.hint, told.value.where) == ("another number", "numbers")
    with pytest.raises(ZeroDivisionError) as ours:
        list(in_order(fail, [0], workers=1))
    assert "in fail" in str(ours.value.__cause__)


@pytest.mark.parametrize("number", [0, 1])
def test_what_can_not_travel_is_an_error_and_no_hang(number: int) -> None:
    with pytest.raises(Exception, match=r"number 1|local") as told:
        list(spread(local, [number], workers=1))
    assert "local" in str(told.value.__cause__)


def test_no_process_is_left_when_nobody_wants_more() -> None:
    results = spread(own_pid, range(50), workers=2)
    pids = {next(results)[1] for _ in range(4)}
    results.close()  # type: ignore[attr-defined]
    for pid in pids:
        assert isinstance(pid, int)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("seconds", [0, 0.5], ids=["as they start", "at work"])
def test_workers_that_are_left_say_nothing(seconds: float) -> None:
    script = (
        "import time; from echokit.workers import spread; from tests.test_workers import square\n"
        f"results = spread(square, range(50), workers=4); next(results); time.sleep({seconds}); results.close()"
    )
    root = Path(__file__).parents[1]
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
def test_a_script_without_a_guard_is_told_so(tiny: Path, phantom: Path, tmp_path: Path, guard: str) -> None:
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
        assert 'under `if __name__ == "__main__":`' in done.stderr
