"""Weights on disk: safetensors and JSON, never a pickle, written so that a kill never leaves half a file."""

from __future__ import annotations

import hashlib
import json
import pickle
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from echokit.errors import EchokitError
from echokit.files import atomic_file, require_regular

_PARALLEL = "module."
_HEADER = "echokit"  # one key only: safetensors keeps metadata in a hash map, so two keys would have no fixed order


def save_weights(path: Path, model: nn.Module, metadata: Mapping[str, object]) -> None:
    """Write a model's whole state; see `save_tensors`.

    Args:
        path: File to write, by convention ``*.safetensors``.
        model: Its ``state_dict`` is written: parameters and buffers.
        metadata: Strict JSON: no NaN, no infinity.

    Raises:
        EchokitError: The file can not be written.
    """
    save_tensors(path, model.state_dict(), metadata)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, object]) -> None:
    """Write named tensors and JSON metadata; after a kill the path holds the old file or the new one, whole.

    Args:
        path: File to write; its directory is made where needed.
        tensors: Any device, dtype and memory format; values are kept bit for bit, tied tensors are written
            twice.
        metadata: Strict JSON: no NaN, no infinity.

    Raises:
        EchokitError: The file can not be written.
    """
    path = Path(path)
    plain = {name: _plain(tensor) for name, tensor in tensors.items()}
    header = json.dumps({"metadata": dict(metadata), "crc32": _checksum(plain)}, allow_nan=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as draft:
            save_file(plain, draft, metadata={_HEADER: header})
    except (OSError, SafetensorError) as error:
        raise EchokitError(f"the weights can not be written: {error}", where=str(path)) from error


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file written by `save_weights`, or any other safetensors file.

    Args:
        path: File to read.

    Returns:
        The tensors on the CPU, and the metadata (of a file that another program wrote: its plain text
        entries).

    Raises:
        EchokitError: There is no such file, it is not safetensors, or its content is damaged.
    """
    path = Path(path)
    try:
        require_regular(path)
        with safe_open(path, framework="pt", device="cpu") as file:
            entries: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except FileNotFoundError as error:
        raise EchokitError("there is no such file of weights", where=str(path)) from error
    except (OSError, SafetensorError) as error:
        raise EchokitError(
            f"not a whole safetensors file: {error}",
            hint="copy it again; a file that torch.save wrote must end in .pt or .pth",
            where=str(path),
        ) from error
    if _HEADER not in entries:
        return tensors, dict(entries)
    damaged = EchokitError(
        "the file of weights is damaged", hint="copy it again, or use another checkpoint", where=str(path)
    )
    try:
        header = json.loads(entries[_HEADER])
        metadata, checksum = dict(header["metadata"]), header["crc32"]
    except (ValueError, KeyError, TypeError) as error:
        raise damaged from error
    if checksum != _checksum(tensors):
        raise damaged
    return tensors, metadata


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read weights of any origin: safetensors as `load_weights`, else a file that ``torch.save`` wrote.

    The latter is unpickled with ``weights_only=True``, which builds tensors and plain data and runs no code. The
    state dict is taken out of its wrapping (``state_dict``, ``model_state``, ...) and of the prefix ``module.`` of
    data-parallel training: the layouts of echonet/dynamic and of most model zoos.

    Args:
        path: ``*.safetensors``, ``*.pt``, ``*.pth`` or the like.

    Returns:
        The tensors on the CPU, and the metadata (none of a foreign file).

    Raises:
        EchokitError: There is no such file, it is damaged, holds no state dict, or would have to run code.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return load_weights(path)
    try:
        require_regular(path)
        with torch.serialization.safe_globals(_numbers_of_numpy()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise EchokitError("there is no such file of weights", where=str(path)) from error
    except pickle.UnpicklingError as error:
        raise EchokitError(
            f"is not read, as it holds more than tensors and numbers: {first_line(error)}",
            hint="a pickle can run code. Where you trust it, load it where it was made and save its state_dict() "
            "alone, best as safetensors",
            where=str(path),
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise EchokitError(f"not a whole file of weights: {first_line(error)}", where=str(path)) from error
    except Exception as error:  # the unpickler meets bytes that are anything, and fails in any way
        raise EchokitError(
            "not a file of weights: torch.save wrote no such file, or it is damaged",
            hint="copy it again",
            where=str(path),
        ) from error
    return _state_dict(content, path), {}


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Hash names, types, shapes and numbers of tensors: the same weights have the same hash in every file."""
    hashed = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        if tensor.numel():
            hashed.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return hashed.hexdigest()


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    for _ in range(2):
        for wrapping in ("state_dict", "model_state", "model_state_dict", "model"):
            if isinstance(content, Mapping) and isinstance(content.get(wrapping), Mapping):
                content = content[wrapping]
                break
    named = content.items() if isinstance(content, Mapping) else ()
    tensors = {str(name): tensor for name, tensor in named if isinstance(tensor, Tensor)}
    if not tensors:
        raise EchokitError(
            "holds no state dict",
            hint="expected names with tensors, alone or under 'state_dict'",
            where=str(path),
        )
    bare = {name.removeprefix(_PARALLEL): tensor for name, tensor in tensors.items()}
    wrapped = sum(name.startswith(_PARALLEL) for name in tensors)
    if 2 * wrapped > len(tensors) and len(bare) == len(tensors):  # beside it may lie counters, as of an average
        return bare
    return tensors


def _numbers_of_numpy() -> list[Any]:
    # Logs in a checkpoint (echonet/dynamic: loss, R2) are numpy numbers; older numpy named their home otherwise.
    scalar = np.float64(0).__reduce__()[0]
    types = {type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "?")}
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *types]


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _plain(tensor: Tensor) -> Tensor:
    # safetensors refuses tensors that share memory or lie in channels_last_3d; a contiguous copy is neither.
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _checksum(tensors: Mapping[str, Tensor]) -> int:
    total = 0
    for name in sorted(tensors):
        total = zlib.crc32(name.encode(), total)
        if tensors[name].numel():
            total = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, total)
    return total
