"""Run many echokit commands, each in a process of its own that need not import the libraries again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

# Imports everything, then forks a child for each line of its input.
_SERVER = """
import atexit, importlib, json, os, pkgutil, resource, sys
import echokit
for module in pkgutil.walk_packages(echokit.__path__, "echokit."):
    if not module.name.startswith("echokit.testing"):
        importlib.import_module(module.name)
import matplotlib.backends.backend_agg, matplotlib.figure, pydicom, scipy.stats, sklearn, torchvision.models.video

for line in sys.stdin:
    job = json.loads(line)
    report = os.dup(1)
    child = os.fork()
    if not child:
        os.setsid()
        os.environ.update(job["environment"])
        os.chdir(job["folder"])
        for name, most in job["limits"].items():
            resource.setrlimit(getattr(resource, name), (most, most))
        for number, name in ((0, os.devnull), (1, job["stdout"]), (2, job["stderr"])):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
        sys.argv = ["echokit", *job["arguments"]]
        echokit.cli.command_signals.install()  # as echokit.__main__ does first
        os.write(report, f"process {os.getpid()}\\n".encode())
        os.close(report)
        try:
            echokit.cli.main()
        except SystemExit as exited:
            atexit._run_exitfuncs()
            os._exit(exited.code)  # to take down all these libraries is slow
    os.close(report)
    print("code", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str


class Commands:
    """Starts one command after another.

    Args:
        folder: For what the commands print.
        environment: Variables of all commands.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self._files: tuple[Path, Path] = (folder, folder)
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def __enter__(self) -> Commands:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(120)

    def start(self, *arguments: object, stdout: str | None = None, **limits: int) -> int:
        """Start a command and return its process, which leads a group of its own.

        Args:
            arguments: Of ``echokit``.
            stdout: A file such as ``/dev/full``.
            limits: By their names in ``resource``, such as ``RLIMIT_FSIZE``.
        """
        assert self._server.stdin is not None
        self._files = Path(stdout) if stdout else self.folder / "stdout.txt", self.folder / "stderr.txt"
        for file in self._files:
            if file.is_file():
                file.unlink()
        job = {
            "arguments": [str(argument) for argument in arguments],
            "environment": self.environment,
            "folder": str(self.folder),
            "limits": limits,
            "stdout": str(self._files[0]),
            "stderr": str(self._files[1]),
        }
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        return self._number("process")

    def finish(self) -> Done:
        """Wait for the command."""
        code = self._number("code")
        out, err = (file.read_text(errors="replace") if file.is_file() else "" for file in self._files)
        return Done(code, out, err)

    def run(self, *arguments: object, stdout: str | None = None, **limits: int) -> Done:
        """Run a command to its end."""
        self.start(*arguments, stdout=stdout, **limits)
        return self.finish()

    def _number(self, word: str) -> int:
        assert self._server.stdout is not None
        said, number = self._server.stdout.readline().split()
        assert said == word, f"{said} instead of {word}"  # a wrong process must not get a signal
        return int(number)
