"""How a run split its data, and how many configurations were tried on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from echokit.errors import EchokitError
from echokit.recipe.yaml_file import read_yaml
from echokit.results.lock import Lock


def tried_configurations(out: Path, fingerprint: str) -> int:
    """Count the different recipes of runs on the same data.

    Unfinished runs count as well, and so does what a run was before it was extended.

    Args:
        out: The folder of all runs.
        fingerprint: Fingerprint of the data.
    """
    hashes = set()
    for file in out.glob("*/*/lock.yaml"):
        content = {} if file.parent.is_symlink() else _content(file)
        if content.get("data", {}).get("fingerprint") == fingerprint:
            hashes.add(content.get("recipe_hash"))
            hashes.update(entry["recipe_hash"] for entry in content.get("extended", ()))
    return max(1, len(hashes))


def _content(lock: Path) -> Mapping[str, Any]:
    """Read a lock without validating its recipe; empty if it cannot be read."""
    try:
        content = read_yaml(lock, environment={}).plain()
    except EchokitError:
        return {}
    return content if isinstance(content, dict) else {}


def division_of(lock: Lock) -> str:
    """Describe how a run split its data."""
    resample = lock.recipe.resample
    if resample.component.is_built_in("official"):
        return f"By the splits of the dataset ({lock.content['data']['name']})."
    settings = ", ".join(f"{name} {value}" for name, value in resample.params.items())
    return f"By the resampler `{resample.name}` ({settings}), grouped by patient, seed {lock.recipe.seed}."
