"""A small real run over phantom hearts, for hooks: one epoch of the smallest network."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from echokit.plugins.discovery import VARIABLE
from echokit.results.run import Run
from echokit.system.checksums import add_checksums
from echokit.testing.case import Case
from echokit.testing.fresh_process import environment, module, python

RECIPE: Mapping[str, Any] = {
    "name": "plugin_check",
    "data": {"use": "phantom", "cases": 12, "ef": "wide"},
    "target": {"from": "ef", "positive": "reduced", "below": 50},
    "preprocess": [{"use": "trim", "frames": 4}, {"use": "resize", "size": 16}],
    "clip": {"frames": 4},
    "model": {"use": "single_stream", "backbone": {"use": "resnet18", "width": 4}},
    "train": {"epochs": 1, "batch_size": 8, "keep": "last"},
}
AT_START = ("lock.yaml", "cohort.csv")
"""The files of a run before its training."""


@dataclass(frozen=True)
class SmallRun:
    """A finished run and a copy of it without results.

    Attributes:
        finished: With predictions, metrics and report.
        started: As a hook meets it before there are results.
        record: The line of ``history.jsonl`` of its epoch.
        folder: Holds both; they are removed with it.
    """

    finished: Run
    started: Run
    record: Mapping[str, Any]
    folder: tempfile.TemporaryDirectory[str]


def small_run(plugin: str, cases: Mapping[str, tuple[Case, ...]]) -> SmallRun:
    """Run a recipe that uses the evaluators of a plugin, once for each plugin.

    Args:
        plugin: Name of the plugin; no other plugin takes part.
        cases: By ``kind.name``; the first case of an evaluator gives its parameters.

    Raises:
        RuntimeError: The run failed.
    """
    evaluators = [
        {"use": f"{plugin}:{label.removeprefix('evaluator.')}", **chosen[0].parameters}
        for label, chosen in cases.items()
        if label.startswith("evaluator.") and chosen and not chosen[0].columns and not chosen[0].setup
    ]
    made = _run(plugin if evaluators else "", json.dumps({**RECIPE, "evaluate": ["accuracy", *evaluators]}))
    if isinstance(made, str):
        raise RuntimeError(made)
    return made


@functools.cache
def _run(plugins: str, recipe: str) -> SmallRun | str:
    """Run a recipe with these plugins; return the run, or why it failed."""
    temporary = tempfile.TemporaryDirectory(prefix="echokit-check-")
    folder = Path(temporary.name)
    (folder / "plugin_check.yaml").write_text(recipe, encoding="utf-8")
    arguments = ["run", "plugin_check.yaml", "--device", "cpu", "--out", "runs"]
    variables = environment(**{VARIABLE: plugins, "ECHOKIT_CACHE": str(folder / "cache")})
    with python(module("echokit")) as command:
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, check=False, env=variables, cwd=folder
        )
    if done.returncode:
        return f"a small run with the plugin failed: {' '.join(done.stderr.split())[-300:]}"
    finished = next(path for path in (folder / "runs" / "plugin_check").iterdir() if not path.is_symlink())
    started = folder / "started" / finished.name
    started.mkdir(parents=True)
    for name in AT_START:
        shutil.copy(finished / name, started / name)
    add_checksums(started, AT_START)
    return SmallRun(Run(finished), Run(started), Run(finished).history[-1], temporary)
