"""Worker processes that isolate their items: a crash or a hang loses one item only."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from echokit.errors import EchokitError
from echokit.system.source_modules import Inheritance

Item = TypeVar("Item")
Result = TypeVar("Result")

LIMIT = 900.0
"""Seconds for one item; the exact mask of a minute of video at 800 x 600 takes a third of it."""
CRASHED = "the process that worked on it ended: a decoder crashed or memory ran out"
START_METHOD = "forkserver" if sys.platform == "linux" else "spawn"
"""How a worker starts. A fork of a process with threads can hang; macOS libraries do not survive any fork."""
_TO_FINISH = 2.0
_PRELOAD = ["numpy", "cv2", "av"]  # loaded once and forked from, before any of them has a thread
to_workers: dict[str, Callable[[], bytes]] = {}
"""What this process found out and its workers need not, by name: each gives it as bytes when a worker starts."""
from_parent: dict[str, bytes] = {}
"""In a worker: the bytes of its parent's ``to_workers``."""
_READY, _DONE, _FAILED = "ready", "done", "failed"


@dataclass(frozen=True)
class WorkerFailure:
    """An item without a result: its process crashed or was killed.

    Attributes:
        reason: Why, for the user.
    """

    reason: str


def cores() -> int:
    """Return the number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_unordered(
    work: Callable[[Item], Result], items: Sequence[Item], *, workers: int | None = None, limit: float = LIMIT
) -> Generator[tuple[int, Result | WorkerFailure], None, None]:
    """Apply a function in worker processes; yield (number, result) when done.

    Closing the iterator gives each process two seconds to finish its item and then kills it, so the function must
    write files atomically.

    Args:
        work: A function that another process can import.
        items: Its arguments.
        workers: Processes; one per available core by default.
        limit: Seconds for one item; a process that takes longer is killed.

    Raises:
        EchokitError: The processes cannot start.
        Exception: Raised by ``work`` on an item.
    """
    exit_if_worker()
    waiting = deque(range(len(items)))
    pool: list[_Worker[Item, Result]] = []
    try:
        for _ in range(min(workers or cores(), len(items))):
            pool.append(_Worker(work))
            pool[-1].start(waiting.popleft(), items)
        while busy := [worker for worker in pool if worker.number is not None]:
            rest = min(worker.since for worker in busy) + limit - time.monotonic()
            wait([worker.connection for worker in busy], max(rest, 0))
            for worker in busy:
                number, results = worker.number, worker.poll(limit)
                if number is None or not results:
                    continue
                worker.number = None
                [result] = results
                if isinstance(result, WorkerFailure):
                    worker.shut_down(0)
                    pool.remove(worker)
                    if waiting:
                        worker = _Worker(work)
                        pool.append(worker)
                if waiting:
                    worker.start(waiting.popleft(), items)
                yield number, result
    finally:
        for worker in pool:
            worker.connection.close()
        deadline = time.monotonic() + _TO_FINISH
        for worker in pool:
            worker.shut_down(max(deadline - time.monotonic(), 0))


def map_ordered(
    work: Callable[[Item], Result], items: Sequence[Item], *, workers: int | None = None, limit: float = LIMIT
) -> Generator[Result | WorkerFailure, None, None]:
    """Apply a function as `map_unordered` does, but yield results in order."""
    early: dict[int, Result | WorkerFailure] = {}
    position = 0
    with closing(map_unordered(work, items, workers=workers, limit=limit)) as results:
        for number, result in results:
            early[number] = result
            while position in early:
                yield early.pop(position)
                position += 1


def exit_if_worker() -> None:
    """Exit if this process is a worker that imports the user's script.

    Its parent reports the error.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(1)


class _RemoteTraceback(Exception):
    """The traceback of an error in a worker, as text."""


class _Worker(Generic[Item, Result]):
    """One process and its current item."""

    def __init__(self, work: Callable[[Item], Result]) -> None:
        context: Any = multiprocessing.get_context(START_METHOD)
        if START_METHOD == "forkserver":
            context.set_forkserver_preload(_PRELOAD)
        self.connection, remote = context.Pipe()
        known = {name: state() for name, state in to_workers.items()}
        self.process = context.Process(target=_serve, args=(remote, Inheritance(), known, work), daemon=True)
        with _interrupts_blocked():
            self.process.start()
        remote.close()
        self.ready = False
        self.number: int | None = None
        self.since = 0.0

    def start(self, number: int, items: Sequence[Item]) -> None:
        """Send an item to the process."""
        self.number, self.since = number, time.monotonic()
        with suppress(OSError):  # if the process has died, poll() finds out
            self.connection.send(items[number])

    def poll(self, limit: float) -> list[Result | WorkerFailure]:
        """Return a list of the result or its loss, empty as long as the process works."""
        try:
            while self.connection.poll():
                kind, *content = self.connection.recv()
                if kind == _READY:
                    self.ready, self.since = True, time.monotonic()
                    continue
                if kind == _FAILED:
                    error, trace = content
                    raise error from _RemoteTraceback(trace)
                result: Result = content[0]
                return [result]
        except (EOFError, ConnectionResetError):
            if self.ready:
                return [WorkerFailure(CRASHED)]
            raise EchokitError(
                "the worker processes cannot start",
                hint='call echokit under `if __name__ == "__main__":` in a script, as every worker imports the script',
                code="workers.not_started",
            ) from None
        if time.monotonic() >= self.since + limit:
            return [WorkerFailure(f"it took more than {limit:g} s and was stopped")]
        return []

    def shut_down(self, seconds: float) -> None:
        """Give the process some seconds to finish its item, then kill it."""
        self.connection.close()
        self.process.join(seconds)
        self.process.kill()
        self.process.join()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Start a process that Ctrl-C never reaches, from its first instruction on.

    Ctrl-C goes to all processes of a terminal. Windows cannot block it: a worker ignores it once it has started.
    """
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it would unblock the signal
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _serve(connection: Connection, _: Inheritance | None, known: dict[str, bytes], work: Callable[[Any], Any]) -> None:
    """Work until the parent closes the connection.

    The inheritance is unpickled before the work, which may be code of its modules.
    """
    from_parent.update(known)
    _begin()
    with suppress(EOFError, OSError):  # the parent has closed the connection
        connection.send((_READY,))
        while True:
            item = connection.recv()
            try:
                message = pickle.dumps((_DONE, work(item)))
            except Exception as error:
                message = _failure(error)
            connection.send_bytes(message)


def _failure(error: Exception) -> bytes:
    trace = traceback.format_exc()
    try:
        return pickle.dumps((_FAILED, error, trace))
    except Exception:
        return pickle.dumps((_FAILED, RuntimeError(repr(error)), trace))


def _begin() -> None:
    """Ignore Ctrl-C, use one core, and exit when the parent is killed."""
    import threading

    import cv2

    parent = multiprocessing.parent_process()

    def exit_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=exit_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a server that somebody else has started
    cv2.setNumThreads(1)
