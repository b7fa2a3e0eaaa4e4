"""Read and write weights: safetensors with JSON metadata, never a pickle."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from echokit.errors import EchokitError
from echokit.system.files import atomic_file, require_regular

_PARALLEL_PREFIX = "module."
_HEADER = "echokit"  # one key only: safetensors keeps metadata in a hash map, so two keys would have no fixed order


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, object]) -> None:
    """Save named tensors and JSON metadata atomically.

    Args:
        path: File to write; its directory is created if needed.
        tensors: Any device, dtype and memory format; values are saved bit for bit, tied tensors twice.
        metadata: Strict JSON: no NaN, no infinity.

    Raises:
        EchokitError: The file cannot be written.
    """
    path = Path(path)
    copies = {name: _contiguous_copy(tensor) for name, tensor in tensors.items()}
    plain = json.loads(json.dumps(dict(metadata), allow_nan=False))
    header = json.dumps({"metadata": plain, "crc32": _checksum(copies, plain)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as draft:
            save_file(copies, draft, metadata={_HEADER: header})
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()).rpartition("error: ")[2]
        raise EchokitError(
            f"the weights cannot be written: {reason}",
            hint="free some space; a run continues with --resume",
            where=str(path),
            code="weights.not_written",
        ) from error


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file written by `save_tensors`, or any other safetensors file.

    Args:
        path: File to read.

    Returns:
        The tensors on the CPU, and the metadata (for a file of another program, its text entries).

    Raises:
        EchokitError: The file does not exist, is not safetensors, or is damaged.
    """
    path = Path(path)
    try:
        require_regular(path)
        with safe_open(path, framework="pt", device="cpu") as file:
            entries: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except FileNotFoundError as error:
        raise EchokitError("there is no such weight file", where=str(path), code="weights.not_found") from error
    except (OSError, ValueError, SafetensorError) as error:  # ValueError: a NUL in the name
        raise EchokitError(
            f"not a whole safetensors file: {error}",
            hint="copy it again; a file written by torch.save must end in .pt or .pth",
            where=str(path),
            code="weights.unreadable",
        ) from error
    if _HEADER not in entries:
        return tensors, dict(entries)
    damaged = EchokitError(
        "the weight file is damaged",
        hint="copy it again, or use another checkpoint",
        where=str(path),
        code="weights.damaged",
    )
    try:
        header = json.loads(entries[_HEADER])
        metadata, checksum = dict(header["metadata"]), header["crc32"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged from error
    if checksum != _checksum(tensors, metadata):
        raise damaged
    return tensors, metadata


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read weights of any origin: safetensors, or a file written by ``torch.save``.

    The latter is unpickled with ``weights_only=True``, which builds tensors and plain data and runs no code. The
    state dict is taken out of its wrapping (``state_dict``, ``model_state``, ...) and of the prefix ``module.`` of
    data-parallel training: the layouts of echonet/dynamic and of most model zoos.

    Args:
        path: ``*.safetensors``, ``*.pt``, ``*.pth`` or the like.

    Returns:
        The tensors on the CPU, and the metadata (empty for a file of ``torch.save``).

    Raises:
        EchokitError: The file does not exist, is damaged, has no state dict, or would run code.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return load_weights(path)
    try:
        require_regular(path)
        with torch.serialization.safe_globals(_numpy_number_types()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise EchokitError("there is no such weight file", where=str(path), code="weights.not_found") from error
    except pickle.UnpicklingError as error:
        raise EchokitError(
            f"not read, as it has more than tensors and numbers{_named_code(error)}",
            hint="a pickle can run code. If you trust it, load it with the program that wrote it and save only its "
            "state_dict(), best as safetensors",
            where=str(path),
            code="weights.runs_code",
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise EchokitError(
            f"not a whole weight file: {first_line(error)}", where=str(path), code="weights.unreadable"
        ) from error
    except Exception as error:  # the unpickler can fail in any way on arbitrary bytes
        raise EchokitError(
            "not a weight file of torch.save, or it is damaged",
            hint="copy it again",
            where=str(path),
            code="weights.unreadable",
        ) from error
    return _state_dict(content, path), {}


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Hash names, types, shapes and values of tensors, whatever their file."""
    hashed = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        if tensor.numel():
            hashed.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return hashed.hexdigest()


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    for _ in range(2):
        for key in ("state_dict", "model_state", "model_state_dict", "model"):
            if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
                content = content[key]
                break
    named = content.items() if isinstance(content, Mapping) else ()
    tensors = {str(name): tensor for name, tensor in named if isinstance(tensor, Tensor)}
    if not tensors:
        raise EchokitError(
            "the file has no state dict",
            hint="expected names with tensors, alone or under 'state_dict'",
            where=str(path),
            code="weights.no_state_dict",
        )
    special = [name for name, tensor in tensors.items() if not _is_plain(tensor)]
    if special:
        raise EchokitError(
            f"{special[0]!r} is sparse, quantized or without values, as are {len(special) - 1} others",
            hint="save the weights as plain tensors",
            where=str(path),
            code="weights.not_plain",
        )
    stripped = {name.removeprefix(_PARALLEL_PREFIX): tensor for name, tensor in tensors.items()}
    wrapped = sum(name.startswith(_PARALLEL_PREFIX) for name in tensors)
    if 2 * wrapped > len(tensors) and len(stripped) == len(tensors):  # counters, as of an average, have no prefix
        return stripped
    return tensors


def _named_code(error: Exception) -> str:
    """Name what a refused pickle would call, such as ``: builtins.eval``."""
    # The whole message of torch is not shown: it advises to allow the call.
    name = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f": {name[1]}" if name else ""


def _is_plain(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized


def _numpy_number_types() -> list[Any]:
    # Logs in a checkpoint (echonet/dynamic: loss, R2) are numpy numbers; older numpy has another module name for them.
    scalar = np.float64(0).__reduce__()[0]
    types = {type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "?")}
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *types]


def first_line(error: Exception) -> str:
    """Return the first line of an error message."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _contiguous_copy(tensor: Tensor) -> Tensor:
    # safetensors rejects tensors that share memory or are channels_last_3d; a contiguous copy is neither.
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> int:
    total = zlib.crc32(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        total = zlib.crc32(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode(), total)
        if tensors[name].numel():
            total = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, total)
    return total
