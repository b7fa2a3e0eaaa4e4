"""A rehearsal of imports in a copy of this process.

A plugin that ends the interpreter ends only the copy.
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress

SECONDS = 120
"""How long one import may take."""

_RETURNED, _INTERRUPTED = b".", b"!"


def rehearse(actions: Sequence[Callable[[], object]]) -> dict[int, str]:
    """Run actions in forked processes, and describe those that do not come back.

    An action that raises an exception comes back: the caller meets the same exception. One process runs all actions; a
    further one is started only after an action has ended it. Nothing is rehearsed where a fork is not safe: beside
    other threads, and on systems without it.

    Args:
        actions: For each plugin, what imports it.

    Returns:
        Descriptions by the index of the action: it ends the process, does not finish, or raises KeyboardInterrupt.
    """
    failures: dict[int, str] = {}
    if not hasattr(os, "fork") or sys.platform == "darwin" or threading.active_count() > 1:
        return failures
    start = 0
    while start < len(actions):
        returned, failure = _run(actions[start:])
        if failure is None:
            break
        failures[start + returned] = failure
        start += returned + 1
    return failures


def _run(actions: Sequence[Callable[[], object]]) -> tuple[int, str | None]:
    """Run actions in one forked process.

    Return how many came back, and what happened to the next one.
    """
    reading, writing = os.pipe()
    with suppress(OSError, ValueError, AttributeError):  # a closed stream, or none
        sys.stdout.flush()
        sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of libraries, which only wait
        child = os.fork()
    if not child:
        _play(actions, reading, writing)
    os.close(writing)
    returned = 0
    try:
        while returned < len(actions) and select.select([reading], [], [], SECONDS)[0]:
            step = os.read(reading, 1)
            if step == _INTERRUPTED:
                return returned, "its import raises KeyboardInterrupt"
            if not step:  # the process has ended
                _, status = os.waitpid(child, 0)
                child = 0
                end = describe_end(os.waitstatus_to_exitcode(status))
                return returned, f"its import ends the interpreter ({end})"
            returned += 1
    finally:
        os.close(reading)
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return returned, None if returned == len(actions) else f"its import does not finish within {SECONDS} seconds"


def _play(actions: Sequence[Callable[[], object]], reading: int, writing: int) -> None:
    """Run the actions in the forked process, silently, and end it."""
    try:
        os.close(reading)
        faulthandler.disable()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        sys.stdout = sys.stderr = os.fdopen(null, "w")  # they may have been replaced by objects of another program
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # so that every KeyboardInterrupt comes from the plugin
        for action in actions:
            try:
                action()
            except KeyboardInterrupt:
                os.write(writing, _INTERRUPTED)
                break
            except BaseException:
                pass  # the caller meets it again, and reports it
            os.write(writing, _RETURNED)
    finally:
        os._exit(0)


def describe_end(code: int) -> str:
    """Describe how a process ended: ``signal SIGSEGV``, ``exit code 3``."""
    with suppress(ValueError):
        if code < 0:
            return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
