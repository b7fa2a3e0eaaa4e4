"""Progress: long work says how far it is, and whoever shows it decides how."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Protocol

Advance = Callable[[int], None]


class Display(Protocol):
    """Shows progress: a terminal's bars, a pipe's lines, or nothing."""

    def task(self, title: str, total: int) -> AbstractContextManager[Advance]:
        """Show one piece of work of ``total`` items; call the given function as items are done."""
        ...

    def say(self, text: str) -> None:
        """Show one line."""
        ...


class Silent:
    """Shows nothing."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        yield lambda count: None

    def say(self, text: str) -> None:
        pass


_SILENT = Silent()
_display: ContextVar[Display] = ContextVar("display", default=_SILENT)


def display() -> Display:
    """What shows progress here."""
    return _display.get()


@contextmanager
def shown_by(chosen: Display) -> Iterator[None]:
    """Let ``chosen`` show the progress of everything inside the block."""
    token = _display.set(chosen)
    try:
        yield
    finally:
        _display.reset(token)
