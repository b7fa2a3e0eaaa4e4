"""The Python interface: run a recipe and read a run, from a notebook or a script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from echokit.results.run import Run, find_run


def run(
    recipe: str | Path,
    *,
    set: Mapping[str, Any] | None = None,
    out: str | Path = "runs",
    device: str = "auto",
) -> Run:
    """Run a recipe and return the finished run.

    Args:
        recipe: A path, or the name of a shipped recipe.
        set: Values to change: ``{"train.epochs": 3}``.
        out: Where run directories are made.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        EchokitError: A mistake that the user can fix.
    """
    import json

    from echokit.pipeline.run import run as run_request
    from echokit.pipeline.session import RunRequest
    from echokit.recipe.compose import find_recipe
    from echokit.recipe.validate import load_recipe

    overrides = tuple(f"{key}={json.dumps(value)}" for key, value in (set or {}).items())
    return run_request(RunRequest(load_recipe(find_recipe(str(recipe)), overrides), Path(out), device))


def load_run(path: str | Path) -> Run:
    """Open a run.

    Args:
        path: A run directory, or a name under ``runs/`` (its newest run).

    Raises:
        EchokitError: There is no run there.
    """
    return find_run(str(path))
