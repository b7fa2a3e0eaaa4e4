"""Progress of long tasks, shown by the display that the caller has set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

Advance = Callable[[int], None]


class Display(Protocol):
    """Shows progress, for instance as bars on a terminal or as lines in a pipe."""

    def task(self, title: str, total: int) -> AbstractContextManager[Advance]:
        """Show a task of ``total`` items; the yielded function advances it."""
        ...

    def show_message(self, text: str) -> None:
        """Show one line."""
        ...

    def show_files(self, files: Iterable[tuple[str, Path]]) -> None:
        """Show which file each case is, if only the user sees it."""
        ...


class Silent:
    """Shows nothing."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        yield lambda count: None

    def show_message(self, text: str) -> None:
        pass

    def show_files(self, files: Iterable[tuple[str, Path]]) -> None:
        pass


_display: ContextVar[Display] = ContextVar("display", default=Silent())  # noqa: B039 - it has no state


def display() -> Display:
    """Return the current display."""
    return _display.get()


@contextmanager
def show_progress_on(screen: Display) -> Iterator[None]:
    """Show all progress inside the block on a display."""
    token = _display.set(screen)
    try:
        yield
    finally:
        _display.reset(token)
