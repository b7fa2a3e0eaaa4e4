"""How soon the command line answers, with five plugins, beside the time that only importing torch takes."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.timing import interleaved, process, ratio

PLUGINS = 5
HOOKS = """from echokit import hookimpl


@hookimpl
def echokit_components(register):
    register.mask("{name}_mask", "{name}.mask:HalfMask", summary="keep the upper part")
    register.evaluator("{name}_score", "{name}.score:Score")


@hookimpl
def echokit_commands():
    return {{"{name}": ("{name}.command:command", "do what the lab does")}}


@hookimpl
def echokit_run_end(run, error):
    pass
"""


def write_plugins(site: Path) -> None:
    """Write plugins into a folder as pip installs them: a module with hooks, and an entry point."""
    for number in range(PLUGINS):
        name = f"lab_{number}"
        (site / name).mkdir(parents=True)
        (site / name / "__init__.py").write_text(HOOKS.format(name=name))
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[echokit]\n{name} = {name}\n")


def measure(*, seed: int, repetitions: int = 5) -> dict[str, Any]:
    """The measure ``start_up``."""
    echokit = [sys.executable, "-m", "echokit"]
    with tempfile.TemporaryDirectory() as site:
        write_plugins(Path(site))
        path = os.pathsep.join(part for part in (site, os.environ.get("PYTHONPATH")) if part)
        own = ",".join(f"lab_{number}" for number in range(PLUGINS))
        none, five = {"ECHOKIT_PLUGINS": ""}, {"ECHOKIT_PLUGINS": own, "PYTHONPATH": path}
        ways = {
            "echokit --help": process([*echokit, "--help"], none),
            "echokit list": process([*echokit, "list"], none),
            f"echokit --help, {PLUGINS} plugins": process([*echokit, "--help"], five),
            f"echokit list, {PLUGINS} plugins": process([*echokit, "list"], five),
            "echokit validate quickstart": process([*echokit, "validate", "quickstart"], none),
            "python -c 'import torch'": process([sys.executable, "-c", "import torch"]),
            "python -c pass": process([sys.executable, "-c", "pass"]),
        }
        found = interleaved(ways, repetitions)
    torch = found["python -c 'import torch'"]
    return {
        "title": "Start-up",
        "about": "A command that needs no model answers before torch would be there.",
        "tables": [{"head": ["command", "seconds"], "rows": [[name, f"{value:.3f}"] for name, value in found.items()]}],
        "numbers": {f"seconds: {name}": value for name, value in found.items()},
        "ratios": [
            ratio(f"`{name}`", "a command line that imports torch first", ours=found[name], usual=torch, note=note)
            for name, note in (
                ("echokit --help", "asked: 0.3 s"),
                (f"echokit list, {PLUGINS} plugins", "asked: 0.4 s"),
            )
        ],
    }
