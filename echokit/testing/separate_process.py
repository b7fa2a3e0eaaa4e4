"""The checks of a plugin in a process of their own.

So a plugin that ends its process is reported too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from echokit.plugins.foreign_code import output_to_stderr
from echokit.plugins.rehearsal import describe_end
from echokit.testing.case import Result
from echokit.testing.conformance import components_of, label_of, one_line, trials


def check_plugin_safely(plugin: str) -> list[Result]:
    """Run the conformance checks of a plugin in another process.

    The results are those of `echokit.testing.check_plugin`. A check that ends its process fails, and the further checks
    of its component are left out. What the plugin prints goes to standard error.

    Raises:
        EchokitError: There is no such plugin, or it was skipped.
    """
    components_of(plugin)
    results: list[Result] = []
    finished: list[str] = []
    while True:
        label, check, ended = "", "", True
        for event in _events(plugin, finished):
            match event:
                case {"component": str(label)}:
                    check = "is imported"
                case {"check": str(check)}:
                    pass
                case {"result": dict(fields)}:
                    results.append(Result(**fields))
                case {"finished": True}:
                    finished.append(label)
                case {"ended": str(end)}:
                    detail = f"it ends the interpreter ({end}); the further checks of this component were not run"
                    results.append(Result(label, check, "failed", detail))
                    finished.append(label)
                    ended = False
        if ended:
            return results


def _events(plugin: str, finished: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Start the process and yield what it reports.

    The last event is how it ended, unless it came to its end.
    """
    command = [sys.executable, "-m", __name__, plugin, *finished]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line == "end\n":
                    return
                yield json.loads(line)
            yield {"ended": describe_end(process.wait())}
        finally:
            process.kill()


def _main(plugin: str, finished: Sequence[str]) -> None:
    """Run the checks in this process, and report each step as a line of JSON."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process ends this one
    report = os.fdopen(os.dup(1), "w")

    def tell(**event: Any) -> None:
        print(json.dumps(event), file=report, flush=True)

    with output_to_stderr():
        for component in components_of(plugin):
            label = label_of(component)
            if label in finished:
                continue
            tell(component=label)
            try:
                for trial in trials(component):
                    tell(check=trial.name)
                    tell(result=asdict(trial.result()))
            except BaseException as error:  # raised by the plugin's own list of cases
                tell(result=asdict(Result(label, "has a case", "failed", one_line(error))))
            tell(finished=True)
        print("end", file=report, flush=True)
    os._exit(0)  # without what the plugin does at exit


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
