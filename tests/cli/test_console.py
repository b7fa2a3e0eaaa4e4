"""What is shown while a run trains, on a pipe."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from echokit.cli import console
from echokit.cli.console import Screen


def test_the_time_that_is_left_is_of_this_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 60.0, 120.0, 1000.0, 1060.0])
    monkeypatch.setattr(console, "SECONDS_PER_LINE", -1.0)
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    out = io.StringIO()
    screen = Screen(Console(file=out, width=200))
    for step in (1, 2, 3):  # a minute each
        screen.step(1, 1, step, 4, 0.5, 1.0)
    for step in (1, 2):  # of the next fold
        screen.step(1, 1, step, 4, 0.5, 1.0)
    ends = [line.rpartition("clips/s")[2].strip() for line in out.getvalue().splitlines()]
    assert ends == [
        "",
        "2.0 min left of this training",
        "1.0 min left of this training",
        "",
        "2.0 min left of this training",
    ]
