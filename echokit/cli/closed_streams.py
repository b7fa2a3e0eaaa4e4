"""Standard streams that may be closed: training continues after its terminal or pipe is gone."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_CLOSED = (errno.EPIPE, errno.EIO)  # a pipe whose reader has exited; a closed terminal


class ClosableStream:
    """A text stream that discards its output once its reader is gone.

    Args:
        stream: A stream with a file descriptor, which is then redirected to the null device.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, or discard it."""
        with self._discard_if_closed():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or discard what is buffered."""
        with self._discard_if_closed():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _discard_if_closed(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _CLOSED:
                raise
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
