"""Standard streams that may be closed or full: training continues after its terminal or pipe is gone."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_GONE = (errno.EPIPE, errno.EIO)  # a pipe whose reader has exited; a closed terminal


class ClosableStream:
    """A text stream that discards its output once its reader is gone.

    Args:
        stream: A stream with a file descriptor, which is redirected to the null device when a write fails.
        result: Whether it takes results: a full disk is then an error. Messages are discarded.
    """

    def __init__(self, stream: TextIO, *, result: bool = True) -> None:
        self._stream = stream
        self._result = result
        self._full: OSError | None = None

    def write(self, text: str) -> int:
        """Write a text, or discard it."""
        with self._discard_if_gone():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or discard what is buffered."""
        with self._discard_if_gone():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _discard_if_gone(self) -> Iterator[None]:
        if self._full is not None:  # its first report may have been caught: click tries what a stream takes
            raise self._full
        try:
            yield
        except OSError as error:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
            if self._result and error.errno not in _GONE:
                self._full = OSError(error.errno, error.strerror, "standard output")
                raise self._full from None


def open_streams() -> None:
    """Open closed standard streams, and let no write to a lost one fail.

    The number of a closed stream (``>&-``) is taken by the null device: the next file to be opened would get it,
    and with it what libraries write to the stream.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without Unicode must not end a command
    output: Any = ClosableStream(sys.stdout or _discarding(1))
    messages: Any = ClosableStream(sys.stderr or _discarding(2), result=False)
    sys.stdin, sys.stdout, sys.stderr = sys.stdin or io.StringIO(), output, messages


def _discarding(descriptor: int) -> TextIO:
    return open(descriptor, "w", closefd=False, encoding="utf-8")
