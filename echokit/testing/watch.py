"""Watch what code does beside its answer: what it prints, and which random generators it touches."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from echokit.testing.case import require

Action = Callable[[], str | None]
"""What a check does; it raises an exception if the check fails, and may return a note."""

_LONGEST = 80  # characters of what was printed, in a message
_shared: list[Path] = []
_warned: set[tuple[str, str, int]] = set()


@dataclass(frozen=True)
class Seen:
    """What one check made its component do.

    Attributes:
        printed: What went to standard output and standard error.
        touched: Names of the global generators whose state has changed.
    """

    printed: str
    touched: tuple[str, ...]


@dataclass(frozen=True)
class Watch:
    """The checks of one case of a component, and what was seen while they ran.

    Attributes:
        actions: What each check does, by name.
        prepare: Called before something is watched; it writes the files of the case.
        seen: By check; those that have run.
    """

    actions: Mapping[str, Action]
    prepare: Callable[[], object] = lambda: None
    seen: dict[str, Seen] = field(default_factory=dict)

    def run(self, check: str) -> str | None:
        """Run a check, and remember what was seen.

        Raises:
            Exception: The check failed.
        """
        with suppress(Exception):  # the check meets it again
            self.prepare()
        with captured_output() as output:
            before = _random_states()
            try:
                return self.actions[check]()
            finally:
                self.seen[check] = Seen(output(), _touched(before))

    def all(self) -> Mapping[str, Seen]:
        """Return what was seen; checks that have not run in this process run now."""
        for check in self.actions:
            if check not in self.seen:
                with suppress(Exception, SystemExit):  # the check itself reports it
                    self.run(check)
        return self.seen

    def touched_again(self, check: str) -> tuple[str, ...]:
        """Run a check a second time, and return the generators that it touches.

        The first time, a library that was imported may have touched them.
        """
        random.random()
        np.random.random()  # noqa: NPY002
        if "torch" in sys.modules:
            sys.modules["torch"].rand(1)  # so that a generator which gets the same seed again changes too
        with suppress(Exception, SystemExit):
            self.run(check)
        return self.seen[check].touched


def leaves_random_state(watch: Watch) -> None:
    """All random numbers come from the seed or the generator that is passed.

    Raises:
        Failure: The global generator of ``random``, ``numpy.random`` or ``torch`` was touched.
    """
    for check, seen in list(watch.all().items()):
        names = " and ".join(watch.touched_again(check) if seen.touched else ())
        require(not names, f"it touches the global generator of {names} (in the check {check!r})")


def prints_nothing(watch: Watch) -> None:
    """Nothing goes to standard output or standard error; a warning may.

    Raises:
        Failure: Something was printed.
    """
    for check, seen in watch.all().items():
        require(not seen.printed.strip(), f"it prints {first_line(seen.printed)} (in the check {check!r})")


RANDOM_STATE = "leaves the global random state alone"
WATCHED: Mapping[str, Callable[[Watch], None]] = {RANDOM_STATE: leaves_random_state, "prints nothing": prints_nothing}
"""Checks of what was seen during the other checks of a component, by name."""


def first_line(printed: str) -> str:
    """Return the first line of what was printed, shortened and quoted."""
    line = next((line for line in printed.splitlines() if line.strip()), "").strip()
    return repr(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}...")


def share_output(path: Path) -> None:
    """Capture into a file that another process reads if this one ends."""
    _shared[:] = [path]


@contextmanager
def captured_output() -> Iterator[Callable[[], str]]:
    """Collect what is printed in the block, by C libraries and other programs too.

    It goes to standard error at the end of the block, and so do warnings, which do not count as printed.

    Yields:
        A function that returns what was printed until now.
    """
    with (
        _shared[0].open("w+b", buffering=0) if _shared else tempfile.TemporaryFile(buffering=0) as file,
        warnings.catch_warnings(record=True) as caught,
    ):
        try:
            with _redirected(file) as output:
                yield output
        finally:
            file.seek(0)
            text = file.read().decode(errors="replace")
            file.truncate(0)
    if text:
        with suppress(OSError, ValueError, AttributeError):  # a closed stream, or none
            sys.stderr.write(text)
            sys.stderr.flush()
    for warning in caught:
        place = (str(warning.message), warning.filename, warning.lineno)
        if place not in _warned:
            _warned.add(place)
            warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)


@contextmanager
def _redirected(file: BinaryIO) -> Iterator[Callable[[], str]]:
    """Send both standard streams to a file, as descriptors and as Python objects."""
    streams = sys.stdout, sys.stderr
    _flush(*streams)
    descriptors = {number: _duplicate(number) for number in (1, 2)}
    for number in descriptors:
        os.dup2(file.fileno(), number)
    text = open(os.dup(file.fileno()), "w", buffering=1, encoding="utf-8", errors="replace")  # noqa: SIM115
    sys.stdout = sys.stderr = text

    def output() -> str:
        _flush(text)
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")

    try:
        yield output
    finally:
        sys.stdout, sys.stderr = streams
        _flush(text)
        text.close()
        for number, descriptor in descriptors.items():
            if descriptor is None:
                os.close(number)
            else:
                os.dup2(descriptor, number)
                os.close(descriptor)


def _duplicate(descriptor: int) -> int | None:
    with suppress(OSError):
        return os.dup(descriptor)
    return None  # it is closed


def _flush(*streams: Any) -> None:
    for stream in streams:
        with suppress(OSError, ValueError, AttributeError):  # a closed stream, or none
            stream.flush()


def _random_states() -> dict[str, object]:
    """Read the states of the global generators, by name."""
    kind, keys, *others = np.random.get_state(legacy=True)  # noqa: NPY002
    states: dict[str, object] = {
        "random": random.getstate(),
        "numpy.random": (kind, np.asarray(keys).tobytes(), *others),
    }
    torch: Any = sys.modules.get("torch")
    if hasattr(torch, "get_rng_state"):
        states["torch"] = torch.get_rng_state().numpy().tobytes()
    return states


def _touched(before: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(name for name, state in _random_states().items() if state != before.get(name))
