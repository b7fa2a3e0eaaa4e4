"""The first signal requests a stop, the second one stops, and handlers are restored."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from echokit.system.stop_signals import Interrupted, stop_on_signal


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_first_signal_is_a_request_and_the_second_stops(sent, code):
    before = signal.getsignal(sent)
    with stop_on_signal() as stop:
        assert not stop
        os.kill(os.getpid(), sent)
        assert stop
        assert stop.interrupted().exit_code == code
        assert stop.interrupted().saved
        with pytest.raises(Interrupted) as stopped:
            os.kill(os.getpid(), sent)
        assert stopped.value.exit_code == code
        assert not stopped.value.saved
    assert signal.getsignal(sent) is before


def test_interrupted_is_a_keyboard_interrupt():
    assert issubclass(Interrupted, KeyboardInterrupt)
    assert not issubclass(Interrupted, Exception)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_on_signal() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert not stop
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_no_handler_is_installed_outside_the_main_thread():
    states = []

    def work():
        with stop_on_signal() as stop:
            states.append((bool(stop), signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert states == [(False, signal.getsignal(signal.SIGTERM))]
