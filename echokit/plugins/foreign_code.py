"""Code of plugins: what it prints, and what it raises."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from echokit.errors import EchokitError

_LONGEST = 300  # characters of one line about an exception


class _Redirection:
    """Standard output, sent to standard error while at least one block is open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._stream: Any = None
        self._descriptor: int | None = None

    def open(self) -> None:
        with self._lock:
            self._blocks += 1
            if self._blocks > 1:
                return
            _flush(sys.stdout)
            self._stream, sys.stdout = sys.stdout, sys.stderr
            with suppress(OSError):  # a standard stream is closed
                self._descriptor = os.dup(1)
                os.dup2(2, 1)

    def close(self) -> None:
        with self._lock:
            self._blocks -= 1
            if self._blocks:
                return
            _flush(sys.stderr)
            sys.stdout = self._stream
            if self._descriptor is not None:
                os.dup2(self._descriptor, 1)
                os.close(self._descriptor)
                self._descriptor = None


_redirection = _Redirection()


def _flush(stream: Any) -> None:
    with suppress(OSError, ValueError, AttributeError):  # a closed stream, or none
        stream.flush()


@contextmanager
def output_to_stderr() -> Iterator[None]:
    """Send what is printed in the block to standard error.

    So a plugin cannot change the output of a command. What programs and C libraries write is included.
    """
    _redirection.open()
    try:
        yield
    finally:
        _redirection.close()


def _without_hint(error: EchokitError) -> str:
    return f"{error.where}: {error.message}" if error.where else error.message


def describe_exception(error: BaseException) -> str:
    """Format an exception in one line, whatever its own text does."""
    try:
        text = " ".join((_without_hint(error) if isinstance(error, EchokitError) else str(error)).split())
    except Exception:
        text = "its message cannot be read"
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}..."
    return f"{type(error).__name__}: {text or 'no message'}"
