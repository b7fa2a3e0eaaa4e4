"""The checks of a plugin in a process of their own.

So a plugin that ends its process, or that does not finish, is reported too.
"""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from echokit.plugins.discovery import installed
from echokit.plugins.foreign_code import output_to_stderr
from echokit.plugins.rehearsal import describe_end
from echokit.testing.case import Result
from echokit.testing.conformance import components_of, groups_of
from echokit.testing.fresh_process import environment, module, python
from echokit.testing.trial import one_line
from echokit.testing.watch import share_output

SECONDS = 120.0
"""How long one check may take."""
_PRINTED, _TRACE = "printed.txt", "trace.txt"


def check_plugin_safely(plugin: str, seconds: float = SECONDS) -> list[Result]:
    """Run the conformance checks of a plugin in another process.

    The results are those of `echokit.testing.check_plugin`. A check that ends its process or does not finish fails, and
    the further checks of the same component, hook or command are left out. What the plugin prints goes to standard
    error.

    Args:
        plugin: Name of the plugin.
        seconds: How long one check may take.

    Raises:
        EchokitError: There is no such plugin, or it was skipped.
    """
    components_of(plugin)
    results: list[Result] = []
    finished: list[str] = []
    while True:
        label, shown, check, ended = "", "", "", True
        for event in _events(plugin, finished, seconds):
            match event:
                case {"group": str(label)}:
                    shown, check = label, "is imported"
                case {"label": str(shown), "check": str(check)}:
                    pass
                case {"result": dict(fields)}:
                    results.append(Result(**fields))
                case {"finished": True}:
                    finished.append(label)
                case {"ended": str(end)}:
                    if not label:  # it ended before the first group
                        raise RuntimeError(f"the checks of the plugin {plugin!r} cannot start: {end}")
                    detail = f"{end}; the further checks of {label} were not run"
                    results.append(Result(shown, check, "failed", detail))
                    finished.append(label)
                    ended = False
        if ended:
            return results


def _events(plugin: str, finished: Sequence[str], seconds: float) -> Iterator[dict[str, Any]]:
    """Start the process and yield what it reports.

    The last event is how it ended, unless it came to its end.
    """
    with (
        python(module(__name__)) as command,
        tempfile.TemporaryDirectory(prefix="echokit-check-", ignore_cleanup_errors=True) as folder,
    ):
        process = subprocess.Popen(
            [*command, folder, str(seconds), plugin, *finished],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=environment(TMPDIR=folder),  # its files go with the folder
            text=True,
            start_new_session=True,
        )
        try:
            for line in _lines(process, seconds):
                if line == "end\n":
                    return
                yield json.loads(line)
            code = process.poll()
            end = (
                f"it does not finish within {seconds:g} seconds"
                if code is None
                else f"it ends the interpreter ({describe_end(code)})"
            )
            _show_output(Path(folder))
            yield {"ended": f"{_place(Path(folder), plugin)}{end}"}
        finally:
            _kill(process)


def _lines(process: subprocess.Popen[str], seconds: float) -> Iterator[str]:
    """Yield lines until the process ends, or says nothing for too long."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        with suppress(OSError, ValueError):  # closed by the other thread
            for line in process.stdout or ():
                lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    deadline = time.monotonic() + seconds + 2  # it writes where it stands, then it is killed
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        try:
            line = lines.get(timeout=0.2)
        except queue.Empty:
            if ended:  # processes that it started keep its output open
                return
            continue
        if not line:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=seconds)
            return
        yield line
        deadline = time.monotonic() + seconds + 2


def _kill(process: subprocess.Popen[str]) -> None:
    """End the process, and those that it started."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)  # its own session, and so its own group
        else:
            process.kill()
    process.wait()


def _show_output(folder: Path) -> None:
    """Show what was printed by the check that did not return."""
    with suppress(OSError):
        sys.stderr.write((folder / _PRINTED).read_text(encoding="utf-8", errors="replace"))


def _place(folder: Path, plugin: str) -> str:
    """Return where its process ended: ``folder/file.py:12: ``, or nothing."""
    with suppress(OSError):
        trace = (folder / _TRACE).read_text(encoding="utf-8", errors="replace")
        components = [component for component in installed().registry.components() if component.plugin == plugin]
        known = installed().plugin(plugin)
        modules = [known.module, *(component.target for component in components)]
        packages = {re.split("[.:]", name)[0] for name in modules}
        for file, line in re.findall(r'File "(.+?)", line (\d+)', trace):  # the innermost first
            path = Path(file)
            if file == known.file or packages & {path.stem, *path.parts}:
                return f"{Path(path.parent.name) / path.name}:{line}: "
    return ""


def _main(folder: Path, seconds: float, plugin: str, finished: Sequence[str]) -> None:
    """Run the checks in this process, and report each step as a line of JSON."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process ends this one
    report = os.fdopen(os.dup(1), "w")
    share_output(folder / _PRINTED)
    trace = (folder / _TRACE).open("w")
    faulthandler.enable(trace)

    def tell(**event: Any) -> None:
        faulthandler.dump_traceback_later(seconds, file=trace)
        print(json.dumps(event), file=report, flush=True)

    with output_to_stderr():
        for label, trials in groups_of(plugin):
            if label in finished:
                continue
            tell(group=label)
            try:
                for trial in trials():
                    tell(label=trial.label, check=trial.name)
                    tell(result=asdict(trial.result()))
            except BaseException as error:  # raised by the plugin's own list of cases
                tell(result=asdict(Result(label, "has a case", "failed", one_line(error))))
            tell(finished=True)
        print("end", file=report, flush=True)
    os._exit(0)  # without what the plugin does at exit


if __name__ == "__main__":
    _main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4:])
