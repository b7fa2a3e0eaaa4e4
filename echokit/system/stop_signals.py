"""Stop on Ctrl-C or a termination signal, in a state that can be resumed."""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

STOPPING = tuple(signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C, termination, and a closed terminal."""
_AGAIN = 0.2
"""Seconds after which `Interrupted` is raised again if it was lost on its way."""


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

    @property
    def advice(self) -> str:
        """What happened, and how to go on."""
        saved = "progress is saved" if self.saved else "only earlier checkpoints are saved"
        return f"{self}; {saved}. Continue a run that had started with --resume"


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


class CommandSignals:
    """The signals of a command line: none is lost.

    A library can swallow the exception: a callback of C code, ``__del__``, a broad ``except``. So the first signal
    is remembered, and `Interrupted` is raised again until the command ends. Before and after the command, a signal
    ends the process; while Python takes itself down, nothing is left to stop.

    Attributes:
        received: The first signal, if one came.
    """

    def __init__(self) -> None:
        self.received = StopRequest()
        self._running = False
        self._repeated = False

    def install(self) -> None:
        """Handle the signals from now on; one that the process ignores stays ignored."""
        for signum in STOPPING:
            if signal.getsignal(signum) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(signum, self._handle)
                atexit.register(signal.signal, signum, signal.SIG_IGN)  # Python would restore the default, which kills

    @contextmanager
    def command(self) -> Iterator[None]:
        """Raise `Interrupted` on a signal in this block.

        Python says nothing about one that is lost.
        """
        before = sys.unraisablehook, sys.excepthook

        def unraisable(lost: UnraisableHookArgs) -> None:
            if not isinstance(lost.exc_value, Interrupted):
                before[0](lost)

        sys.unraisablehook = unraisable
        sys.excepthook = lambda kind, *rest: None if issubclass(kind, Interrupted) else before[1](kind, *rest)
        self._running = True
        try:
            yield
        finally:
            self._running = False
            sys.unraisablehook, sys.excepthook = before

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        repeated, self._repeated = self._repeated, False
        if repeated and (not self._running or _on_its_way()):
            return
        first = not self.received
        if first:
            self.received.signum = signum
        stop = Interrupted(self.received.signum or signum, saved=False)
        if not self._running:
            _exit(stop, silent=not first)
        if first:
            _thread.start_new_thread(self._repeat, (signum,))
        raise stop

    def _repeat(self, signum: int) -> None:
        main = threading.main_thread().ident
        assert main is not None
        while self._running:
            time.sleep(_AGAIN)
            self._repeated = True
            if sys.platform == "win32":
                _thread.interrupt_main(signum)
            else:
                signal.pthread_kill(main, signum)  # a real signal: it wakes a system call


command_signals = CommandSignals()
"""Those of this process."""


def _on_its_way() -> bool:
    """Whether an `Interrupted` is being handled: a clean-up may finish."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, Interrupted):
        error = error.__context__
    return error is not None


def _exit(stop: Interrupted, *, silent: bool) -> NoReturn:
    if not silent:
        with suppress(OSError):
            os.write(2, f"\n{stop.advice}\n".encode())
    os._exit(stop.exit_code)


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
        request.signum = command_signals.received.signum = signum

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
