"""How the benchmarks time: the ways take turns, so that a busy minute of the machine slows all of them alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Ways = Mapping[str, Callable[[], object]]


def interleaved(
    ways: Ways, repetitions: int, *, warm: bool = True, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Time every way ``repetitions`` times, in turns.

    Args:
        ways: Name to what is timed.
        repetitions: Of each.
        warm: Do everything once before.
        clock: What counts seconds; ``time.process_time`` counts those of all cores together.

    Returns:
        Name to its median, in seconds.
    """
    if warm:
        for work in ways.values():
            work()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, work in ways.items():
            started = clock()
            work()
            times[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def ratio(
    what: str, usual_way: str, *, ours: float, usual: float, asked: float | None = None, note: str = ""
) -> dict[str, Any]:
    """One line of the table of ratios.

    Args:
        what: The work.
        usual_way: How it is done elsewhere.
        ours, usual: Median seconds of both, from one run.
        asked: How many times faster it was to be, or None.
        note: What belongs to it.
    """
    return {"what": what, "usual_way": usual_way, "ours": ours, "usual": usual, "asked": asked, "note": note}


def process(command: Sequence[str], variables: Mapping[str, str] | None = None) -> Callable[[], object]:
    """A process as a way; what it prints is not shown.

    Args:
        command: Its command line.
        variables: Environment variables that it has besides those of this process.

    Raises:
        subprocess.CalledProcessError: It fails.
    """
    environment = {**os.environ, **(variables or {})}
    return lambda: subprocess.run(command, check=True, capture_output=True, env=environment)


def machine() -> str:
    """This machine and its libraries in a few words."""
    from echokit.system.environment import environment

    found = environment()
    return f"{found['processor']}, {found['cores']} cores, torch {found['packages']['torch']}, Python {found['python']}"
