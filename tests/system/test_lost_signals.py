"""A signal ends a command wherever it arrives, also if a library loses the exception."""

import signal
import subprocess
import sys
import time

import pytest

# The body of a command that sends itself a signal where the exception is lost, and then has a long time to go.
COMMAND = """
import os, signal, sys, time
from echokit.cli import main
import click
import echokit.cli as cli

@click.command()
def body():
    def send():
        os.kill(os.getpid(), signal.{sent})
        for _ in range(1000):  # the handler runs here
            pass
{body}
    for _ in range(600):
        time.sleep(0.05)
    print("not stopped")

cli.application.add_command(body, "body")
cli.COMMANDS["body"] = "body"
cli.application.get_command = lambda context, name: body
sys.argv = ["echokit", "body"]
main()
"""
LOST = {
    "a broad except": """
    try:
        send()
    except BaseException:
        pass
""",
    "__del__": """
    class Deleted:
        def __del__(self):
            send()
    Deleted()
""",
    "a weak reference": """
    import weakref
    class Deleted:
        pass
    one = Deleted()
    reference = weakref.ref(one, lambda gone: send())
    del one
""",
    "a callback of C code": """
    import ctypes
    callback = ctypes.CFUNCTYPE(None)(send)
    callback()
""",
    "a callback of SQLite": """
    import sqlite3
    database = sqlite3.connect(":memory:")
    database.create_function("send", 0, send)
    try:
        database.execute("select send()")
    except sqlite3.OperationalError:
        pass
""",
    "another exception": """
    try:
        send()
    except BaseException:
        raise SystemError("a built-in returned a result with an exception set") from None
""",
    "an error of the user": """
    from echokit.errors import EchokitError
    try:
        send()
    except BaseException:
        raise EchokitError("the video cannot be read") from None
""",
    "the last line": """
    try:
        send()
    except BaseException:
        return
""",
    "nowhere": """
    send()
""",
}


@pytest.mark.parametrize(("sent", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("where", LOST)
def test_a_lost_signal_ends_the_command(where: str, sent: str, code: int) -> None:
    said = run(COMMAND.format(sent=sent, body=LOST[where]))
    assert said.returncode == code, said.stderr
    assert said.stderr.count(sent) == 1, said.stderr
    assert "Traceback" not in said.stderr
    assert not said.stdout


def test_a_clean_up_is_not_interrupted_again() -> None:
    body = """
    try:
        send()
    finally:
        time.sleep(1)
        print("clean")
"""
    said = run(COMMAND.format(sent="SIGTERM", body=body))
    assert (said.returncode, said.stdout) == (143, "clean\n"), said.stderr


def test_a_second_signal_ends_a_clean_up() -> None:
    body = """
    try:
        send()
    finally:
        send()
        print("clean")
"""
    said = run(COMMAND.format(sent="SIGINT", body=body))
    assert (said.returncode, said.stdout) == (130, ""), said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_at_the_exit_of_python_ends_it(sent: signal.Signals, code: int) -> None:
    body = f"""
    import atexit
    atexit.register(lambda: (os.kill(os.getpid(), {int(sent)}), time.sleep(1)))
    return
"""
    said = run(COMMAND.format(sent="SIGINT", body=body))
    assert said.returncode == code, said.stderr
    assert said.stderr.count(sent.name) == 1
    assert "Traceback" not in said.stderr


def test_a_signal_while_python_takes_itself_down_does_not_kill_it() -> None:
    body = """
    class Last:
        def __del__(self, kill=os.kill, process=os.getpid(), sent=int(signal.SIGTERM)):
            kill(process, sent)
    sys.modules["last"] = Last()
    print("done")
    return
"""
    said = run(COMMAND.format(sent="SIGINT", body=body))
    assert (said.returncode, said.stdout, said.stderr) == (0, "done\n", "")


def test_an_ignored_signal_stays_ignored() -> None:
    said = run(
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        + COMMAND.format(sent="SIGINT", body="    send()\n    print('went on')\n    return\n")
    )
    assert (said.returncode, said.stdout) == (0, "went on\n"), said.stderr


IMPORTED = """
from echokit.system.stop_signals import command_signals
command_signals.install()  # as echokit.__main__ does first
print(flush=True)
from echokit.__main__ import main
main()
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.0, 0.02, 0.04])
def test_a_signal_while_the_command_line_is_imported(sent: signal.Signals, after: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", IMPORTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after)
    process.send_signal(sent)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (2, 128 + sent), said  # 2: it was faster, and showed its help
    assert "Traceback" not in said


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
