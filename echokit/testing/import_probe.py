"""Measure in a fresh process how heavy and how slow modules are to import.

Run as ``python -m echokit.testing.import_probe``; the names of the modules come on standard input.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from echokit.testing.fresh_process import environment, module, python

HEAVY = (
    *("torch", "torchvision", "timm", "cv2", "av", "pandas", "sklearn", "scipy", "matplotlib", "skimage", "PIL"),
    *("tensorflow", "jax", "keras", "transformers", "lightning", "pytorch_lightning", "monai", "SimpleITK", "pydicom"),
    *("nibabel", "numba", "mlflow", "wandb", "tensorboard", "optuna", "statsmodels", "seaborn"),
)
"""Libraries that are slow to import: listing components and validating a recipe must not import them."""

SLOW = 1.0
"""Seconds after which an import is worth a note."""


@dataclass
class ImportCost:
    """What importing one module costs.

    Attributes:
        seconds: How long it took.
        heavy: For each heavy library that it imports: seconds, and the line that imports it.
        printed: What it printed.
    """

    seconds: float = 0.0
    heavy: dict[str, tuple[float, str]] = field(default_factory=dict)
    printed: str = ""

    def describe(self) -> str:
        """Name the heavy libraries, with seconds and lines."""
        return ", ".join(f"{name} ({seconds:.1f} s, {place})" for name, (seconds, place) in self.heavy.items())


@functools.cache
def import_costs(modules: tuple[str, ...]) -> dict[str, ImportCost]:
    """Import each module in a fresh process.

    Raises:
        RuntimeError: The process ended.
    """
    costs: dict[str, ImportCost] = {}
    with python(module("echokit.testing.import_probe")) as command:
        for batch in [[*modules]] if hasattr(os, "fork") else [[name] for name in modules]:
            text = json.dumps(batch)
            done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=environment())
            if done.returncode:
                raise RuntimeError(f"the imports could not be measured: {done.stderr.strip().splitlines()[-1:]}")
            costs |= {name: ImportCost(**cost) for name, cost in json.loads(done.stdout.splitlines()[-1]).items()}
    return costs


class _Clock:
    """A finder of modules that measures the outermost heavy libraries.

    Args:
        package: Top-level name of the package whose lines are named.
    """

    def __init__(self, package: str) -> None:
        self.heavy: dict[str, tuple[float, str]] = {}
        self._package = package
        self._inside = False

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a heavy library as the other finders do, and measure how it is loaded."""
        if name not in HEAVY or self._inside:
            return None
        self._inside = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._inside = False
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = functools.partial(self._load, spec.loader.exec_module)  # type: ignore[method-assign]
        return spec

    def _load(self, load: Any, loaded: ModuleType) -> None:
        place = self._place()
        self._inside = True
        start = time.perf_counter()
        try:
            load(loaded)
        finally:
            self._inside = False
            self.heavy[loaded.__name__] = (time.perf_counter() - start, place)

    def _place(self) -> str:
        """Return the line of the package that is imported now: ``folder/file.py:12``."""
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            if str(frame.f_globals.get("__name__", "")).partition(".")[0] == self._package:
                path = Path(frame.f_code.co_filename)
                return f"{Path(path.parent.name) / path.name}:{frame.f_lineno}"
            frame = frame.f_back
        return "a library"


@contextmanager
def _printed_into(cost: ImportCost) -> Iterator[None]:
    """Keep what is printed in the block; the process ends after it."""
    with tempfile.TemporaryFile() as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            file.seek(0)
            cost.printed = file.read().decode(errors="replace")[:1000]


def _measure(name: str) -> ImportCost:
    cost = ImportCost()
    clock = _Clock(name.partition(".")[0])
    sys.meta_path.insert(0, clock)
    with _printed_into(cost):
        start = time.perf_counter()
        with suppress(BaseException):  # another check reports it
            importlib.import_module(name)
        cost.seconds = time.perf_counter() - start
    cost.heavy = clock.heavy
    return cost


def _measure_in_copy(name: str) -> dict[str, Any]:
    """Measure in a copy of this process: every module meets the same clean state."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, json.dumps(asdict(_measure(name))).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        answer = file.read()
    os.waitpid(child, 0)
    return json.loads(answer) if answer else asdict(ImportCost())  # it ended the copy: another check reports it


def _main() -> None:
    modules: list[str] = json.loads(sys.stdin.read())
    if hasattr(os, "fork"):
        costs = {name: _measure_in_copy(name) for name in modules}
    else:
        report = os.dup(1)
        costs = {name: asdict(_measure(name)) for name in modules}
        os.dup2(report, 1)
    print(json.dumps(costs))


if __name__ == "__main__":
    _main()
