"""Stop on Ctrl-C or a termination signal, in a state that can be resumed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = tuple(signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C, termination, and a closed terminal."""


class Interrupted(KeyboardInterrupt):
    """The user or the system requested a stop.

    Attributes:
        signum: The signal.
        saved: Whether the state is on disk; False if the run stopped at once.
        exit_code: 130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP.
    """

    def __init__(self, signum: int, *, saved: bool = True) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}{'' if saved else ' at once'}")
        self.signum = signum
        self.saved = saved
        self.exit_code = 128 + signum


class StopRequest:
    """A request to stop, if a signal came.

    Attributes:
        signum: The signal, or None.
    """

    def __init__(self) -> None:
        self.signum: int | None = None

    def __bool__(self) -> bool:
        return self.signum is not None

    def interrupted(self) -> Interrupted:
        """Create the exception to raise after everything is saved."""
        return Interrupted(self.signum if self.signum is not None else signal.SIGINT)


def stop_at_once_on_signal() -> None:
    """Raise `Interrupted` on termination and a closed terminal, as on Ctrl-C.

    This is for the time outside a training. A signal that the process ignores stays ignored.
    """

    def handle(signum: int, frame: FrameType | None) -> None:
        raise Interrupted(signum, saved=False)

    for signum in STOPPING:
        if signal.getsignal(signum) is signal.SIG_DFL:
            signal.signal(signum, handle)


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Turn the first signal into a request; the second one raises `Interrupted`.

    A signal that the process ignores (SIGHUP under nohup) stays ignored. Outside the main thread,
    Python allows no signal handlers, and none is installed.
    """
    request = StopRequest()

    def handle(signum: int, frame: FrameType | None) -> None:
        if request:
            raise Interrupted(signum, saved=False)
        request.signum = signum

    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {signum: signal.getsignal(signum) for signum in STOPPING}
    try:
        for signum, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(signum, handle)
        yield request
    finally:
        for signum, handler in before.items():
            if handler is not None:  # None: installed by C code, which Python cannot restore
                signal.signal(signum, handler)
