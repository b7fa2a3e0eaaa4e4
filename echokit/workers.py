"""Worker processes: work spread over the cores, where an item that crashes its process or hangs costs itself only."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from echokit.errors import EchokitError

Item = TypeVar("Item")
Result = TypeVar("Result")

LIMIT = 900.0
"""Seconds for one item: the exact mask of a minute of video at 800 x 600 takes a third of it."""
CRASHED = "the process that worked on it ended: a decoder crashed or memory ran out"
_TO_FINISH = 2.0
_PRELOAD = ["numpy", "cv2", "av"]  # loaded once and forked from, before any of them has a thread
_READY, _DONE, _FAILED = "ready", "done", "failed"


@dataclass(frozen=True)
class Lost:
    """An item that has no result: its process ended, or was ended.

    Attributes:
        reason: Why, for the user.
    """

    reason: str


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(
    work: Callable[[Item], Result], items: Sequence[Item], *, workers: int | None = None, limit: float = LIMIT
) -> Generator[tuple[int, Result | Lost], None, None]:
    """Do some work on every item in other processes; results come as they are done, with the item's number.

    Closing the iterator lets each process finish its item for two seconds, and then ends it: work has to leave no
    half-written file under its final name.

    Args:
        work: A function that another process can import.
        items: What it is done on.
        workers: Processes; one for each available core by default.
        limit: Seconds for one item; a process that takes longer is ended.

    Raises:
        EchokitError: The processes can not start.
        Exception: What the work raised on an item.
    """
    stop_in_a_worker()
    waiting = deque(range(len(items)))
    crew: list[_Worker[Item, Result]] = []
    try:
        for _ in range(min(workers or cores(), len(items))):
            crew.append(_Worker(work))
            crew[-1].take(waiting.popleft(), items)
        while busy := [worker for worker in crew if worker.number is not None]:
            rest = min(worker.since for worker in busy) + limit - time.monotonic()
            wait([worker.connection for worker in busy], max(rest, 0))
            for worker in busy:
                number, answers = worker.number, worker.answers(limit)
                if number is None or not answers:
                    continue
                worker.number = None
                [answer] = answers
                if isinstance(answer, Lost):
                    worker.process.kill()
                    worker.leave(0)
                    crew.remove(worker)
                    if waiting:
                        worker = _Worker(work)
                        crew.append(worker)
                if waiting:
                    worker.take(waiting.popleft(), items)
                yield number, answer
    finally:
        for worker in crew:
            worker.connection.close()
        last = time.monotonic() + _TO_FINISH
        for worker in crew:
            worker.leave(max(last - time.monotonic(), 0))


def in_order(
    work: Callable[[Item], Result], items: Sequence[Item], *, workers: int | None = None, limit: float = LIMIT
) -> Generator[Result | Lost, None, None]:
    """The same, but results come in the order of the items."""
    early: dict[int, Result | Lost] = {}
    following = 0
    with closing(spread(work, items, workers=workers, limit=limit)) as results:
        for number, result in results:
            early[number] = result
            while following in early:
                yield early.pop(following)
                following += 1


def stop_in_a_worker() -> None:
    """End this process if it is a worker that is just importing the user's script: its parent says why."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(1)


class _There(Exception):
    """The traceback of an error in a worker, as text: what an error of ours is traced by."""


class _Worker(Generic[Item, Result]):
    """One process, and the item that it works on."""

    def __init__(self, work: Callable[[Item], Result]) -> None:
        context = multiprocessing.get_context("forkserver")  # a fork of a process with threads can hang
        context.set_forkserver_preload(_PRELOAD)
        self.connection, there = context.Pipe()
        self.process = context.Process(target=_serve, args=(there, work), daemon=True)
        self.process.start()
        there.close()
        self.ready = False
        self.number: int | None = None
        self.since = 0.0

    def take(self, number: int, items: Sequence[Item]) -> None:
        """Begin an item."""
        self.number, self.since = number, time.monotonic()
        with suppress(OSError):  # a process that is gone already is found when its answer is asked for
            self.connection.send(items[number])

    def answers(self, limit: float) -> list[Result | Lost]:
        """The result, or the loss of it, or nothing yet."""
        try:
            while self.connection.poll():
                kind, *content = self.connection.recv()
                if kind == _READY:
                    self.ready, self.since = True, time.monotonic()
                    continue
                if kind == _FAILED:
                    error, traced = content
                    raise error from _There(traced)
                result: Result = content[0]
                return [result]
        except (EOFError, ConnectionResetError):
            if self.ready:
                return [Lost(CRASHED)]
            raise EchokitError(
                "the worker processes can not start",
                hint='a script calls echokit under `if __name__ == "__main__":`, as every worker imports the script',
            ) from None
        if time.monotonic() >= self.since + limit:
            return [Lost(f"it took more than {limit:g} s and was ended")]
        return []

    def leave(self, seconds: float) -> None:
        """Let the process finish what it is at for so long, then end it."""
        self.connection.close()
        self.process.join(seconds)
        self.process.kill()
        self.process.join()


def _serve(connection: Connection, work: Callable[[Any], Any]) -> None:
    _begin()
    with suppress(EOFError, OSError):  # nobody waits for it any more
        connection.send((_READY,))
        while True:
            item = connection.recv()
            try:
                answer = pickle.dumps((_DONE, work(item)))
            except Exception as error:
                answer = _failure(error)
            connection.send_bytes(answer)


def _failure(error: Exception) -> bytes:
    traced = traceback.format_exc()
    try:
        return pickle.dumps((_FAILED, error, traced))
    except Exception:
        return pickle.dumps((_FAILED, RuntimeError(repr(error)), traced))


def _begin() -> None:
    """Leave Ctrl-C to the parent, the other cores to the other workers, and the machine when the parent is killed."""
    import signal
    import threading

    import cv2

    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)  # nobody is left to work for

    threading.Thread(target=follow, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
