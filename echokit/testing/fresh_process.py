"""Start fresh Python processes that know the same plugins, given files included."""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from echokit.system.source_modules import Inheritance

_START = "import pickle, sys; file = open(sys.argv.pop(1), 'rb'); pickle.load(file); file.close(); "


@contextmanager
def python(code: str) -> Iterator[list[str]]:
    """Yield a command line that runs code; further arguments may follow it.

    Args:
        code: What to run, on one line.
    """
    with tempfile.TemporaryDirectory(prefix="echokit-check-") as folder:
        modules = Path(folder) / "modules"
        modules.write_bytes(pickle.dumps(Inheritance()))
        yield [sys.executable, "-P", "-c", _START + code, str(modules)]  # -P: no import from the working folder


def module(name: str) -> str:
    """Return the code that runs a module as a program."""
    return f"import runpy; runpy.run_module({name!r}, run_name='__main__', alter_sys=True)"


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a process that imports from where this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **more}
