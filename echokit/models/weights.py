"""Weights on disk: safetensors and JSON, never a pickle, written so that a kill never leaves half a file."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from echokit.errors import EchokitError

_HEADER = "echokit"  # one key only: safetensors keeps metadata in a hash map, so two keys would have no fixed order


@dataclass(frozen=True)
class WeightReport:
    """What became of every tensor, of the file and of the model.

    Attributes:
        loaded: Names copied as they are.
        adapted: Names copied after a change, each with the change in words.
        skipped: Names of the file that were not used, each with the reason.
        missing: Names of the model that the file does not have; they keep their values.
    """

    loaded: tuple[str, ...]
    adapted: Mapping[str, str]
    skipped: Mapping[str, str]
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether file and model matched tensor by tensor."""
        return not (self.adapted or self.skipped or self.missing)

    def __str__(self) -> str:
        lines = [f"{len(self.loaded)} tensors loaded"]
        lines += [f"adapted {name}: {how}" for name, how in self.adapted.items()]
        lines += [f"skipped {name}: {why}" for name, why in self.skipped.items()]
        lines += [f"missing {name}: not in the file, kept as initialised" for name in self.missing]
        return "\n".join(lines)


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

    A temporary file in the same directory is written and synced, renamed over the path, and the directory
    synced. A killed writer can leave its hidden ``.tmp`` file behind, never half a ``path``.

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
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file(plain, temporary, metadata={_HEADER: header})
            _sync(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(path.parent)
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
        with safe_open(path, framework="pt", device="cpu") as file:
            entries: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except FileNotFoundError as error:
        raise EchokitError("there is no such file of weights", where=str(path)) from error
    except (OSError, SafetensorError) as error:
        raise EchokitError(
            f"not a whole safetensors file: {error}",
            hint="only safetensors files are read: pickles (.pt, .pth, .ckpt) can run code and are refused",
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


def apply_weights(model: nn.Module, tensors: Mapping[str, Tensor]) -> WeightReport:
    """Copy tensors into a model where name and shape fit, and say what became of every one.

    A convolution that differs in its input channels only is adapted: summed over the channels of the file and
    shared evenly over those of the model, which for a grey model equals feeding grey as every channel
    (inflation as in Carreira and Zisserman 2017, arXiv:1705.07750).

    Args:
        model: Changed in place.
        tensors: Named as in ``model.state_dict()``.

    Returns:
        The fate of every name; nothing is left out in silence.

    Raises:
        EchokitError: Not one tensor fits.
    """
    state = model.state_dict()
    loaded: list[str] = []
    adapted: dict[str, str] = {}
    skipped: dict[str, str] = {}
    with torch.no_grad():
        for name, tensor in tensors.items():
            if name not in state:
                skipped[name] = "the model has no such tensor"
            elif tensor.shape == state[name].shape:
                state[name].copy_(tensor)
                loaded.append(name)
            elif _differ_in_channels(tensor, state[name]):
                channels = state[name].shape[1]
                state[name].copy_(tensor.sum(1, keepdim=True).div(channels).expand_as(state[name]))
                adapted[name] = f"{tensor.shape[1]} input channels to {channels}"
            else:
                skipped[name] = f"shape {tuple(tensor.shape)} does not fit {tuple(state[name].shape)}"
    if not loaded and not adapted:
        raise EchokitError(
            "not one tensor of the weights fits the model",
            hint=f"the file has {_some(tensors)}, the model {_some(state)}",
        )
    return WeightReport(tuple(loaded), adapted, skipped, tuple(name for name in state if name not in tensors))


def _differ_in_channels(tensor: Tensor, wanted: Tensor) -> bool:
    same_rest = tensor.shape[:1] + tensor.shape[2:] == wanted.shape[:1] + wanted.shape[2:]
    return tensor.ndim == wanted.ndim == 5 and same_rest


def _some(names: Mapping[str, Tensor]) -> str:
    first = ", ".join(repr(name) for name in list(names)[:3])
    return f"{first}, ... ({len(names)} in all)" if names else "none"


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


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
