"""Read and write checkpoints: directories of safetensors and JSON, always complete.

A checkpoint is written as ``.NAME.tmp``, synced, renamed to ``NAME.new`` and then moved over ``NAME``.
``NAME.new`` wins over ``NAME``, so a kill or a power cut at any moment leaves the old one or the new one,
never a mixture.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from echokit.errors import EchokitError
from echokit.models.weights.weight_files import load_weights, save_tensors
from echokit.system.files import sync, write_text

MODEL, OPTIMIZER, AVERAGE = "model.safetensors", "optimizer.safetensors", "average.safetensors"
STATE = "state.json"


def save_checkpoint(
    directory: Path,
    name: str,
    *,
    model: Mapping[str, Tensor],
    state: Mapping[str, object],
    metadata: Mapping[str, object],
    optimizer: Mapping[str, Tensor] | None = None,
    average: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write a checkpoint in place of the one of the same name.

    Args:
        directory: Folder of the checkpoints; created if needed.
        name: ``last`` or ``best``.
        model: Weights and buffers by name.
        state: Strict JSON for ``state.json``.
        metadata: Strict JSON that is embedded in the weights.
        optimizer: Its tensors by name; None to save the weights only.
        average: Average of the weights over steps, by name; None if there is none.

    Raises:
        EchokitError: The files cannot be written.
    """
    target, fresh, draft = directory / name, directory / f"{name}.new", directory / f".{name}.tmp"
    try:
        _settle(directory, name)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        save_tensors(draft / MODEL, model, metadata)
        if optimizer is not None:
            save_tensors(draft / OPTIMIZER, optimizer, {})
        if average is not None:
            save_tensors(draft / AVERAGE, average, {})
        write_text(draft / STATE, _seal(state))
        os.rename(draft, fresh)
        sync(directory)
        _settle(directory, name)
    except OSError as error:
        raise EchokitError(
            f"the checkpoint cannot be written: {error}", where=str(target), code="checkpoint.not_written"
        ) from error
    return target


def find_checkpoint(directory: Path, name: str) -> Path | None:
    """Find the newest complete checkpoint of a name, if there is one."""
    return next((path for path in (directory / f"{name}.new", directory / name) if path.is_dir()), None)


def load_tensors(checkpoint: Path, file: str) -> dict[str, Tensor]:
    """Read the tensors of one file of a checkpoint.

    Raises:
        EchokitError: The file is missing or damaged.
    """
    return load_weights(checkpoint / file)[0]


def load_state(checkpoint: Path) -> dict[str, Any]:
    """Read ``state.json`` of a checkpoint.

    Raises:
        EchokitError: It is missing or damaged.
    """
    path = checkpoint / STATE
    try:
        sealed = json.loads(path.read_text(encoding="utf-8"))
        state: dict[str, Any] = sealed["state"]
        if sealed["crc32"] != _checksum(state):
            raise ValueError("its content does not match its checksum")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(checkpoint, f"{STATE}: {error}") from error
    return state


def remove_checkpoint(directory: Path, name: str) -> None:
    """Remove a checkpoint; a kill leaves none or a complete one."""
    draft = directory / f".{name}.tmp"
    _settle(directory, name)
    if (directory / name).is_dir():
        shutil.rmtree(draft, ignore_errors=True)
        os.rename(directory / name, draft)
    shutil.rmtree(draft, ignore_errors=True)


def damaged(checkpoint: Path, reason: str) -> EchokitError:
    """Create the error for a checkpoint that cannot be used."""
    return EchokitError(
        f"the checkpoint is damaged: {reason}",
        hint=f"delete {checkpoint.parent} to train this fold from the start",
        where=str(checkpoint),
        code="checkpoint.damaged",
    )


def _settle(directory: Path, name: str) -> None:
    """Move a complete ``NAME.new`` to its place, if a kill prevented it."""
    fresh, target = directory / f"{name}.new", directory / name
    if fresh.is_dir():
        if target.exists():
            shutil.rmtree(target)
        os.rename(fresh, target)
        sync(directory)


def _seal(state: Mapping[str, object]) -> str:
    return json.dumps({"crc32": _checksum(state), "state": state}, indent=1, allow_nan=False) + "\n"


def _checksum(state: Mapping[str, object]) -> int:
    return zlib.crc32(json.dumps(state, sort_keys=True, allow_nan=False).encode())
