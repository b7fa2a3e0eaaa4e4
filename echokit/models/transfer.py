"""From given weights to a model that starts from them, with a report of what became of every tensor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from echokit.errors import EchokitError
from echokit.models.resnet_names import video_names

HEAD = "head."
MOST_CHANNELS = 4  # of a picture
LEAST, FEW = 0.1, 0.5  # shares of the numbers below the head: with less, weights are refused, or warned of
MOST_TOKENS = 5  # of a transformer that belong to no patch
_LINEAR = ("weight", "bias")
_POSITIONS = "pos_embed"


@dataclass(frozen=True)
class WeightReport:
    """What became of every tensor, of the file and of the model.

    Attributes:
        loaded: Names copied as they are.
        adapted: Names copied after a change, each with the change in words.
        skipped: Names of the file that were not used, each with the reason.
        missing: Names of the model that the file does not have; they keep their values.
        share: Of the model's numbers in parameters (the head's left out), how many come from the file.
        batch_norms: Whether the running statistics of all batch norms come from the file.
    """

    loaded: tuple[str, ...]
    adapted: Mapping[str, str]
    skipped: Mapping[str, str]
    missing: tuple[str, ...]
    share: float
    batch_norms: bool

    @property
    def warning(self) -> str | None:
        """What must be known of weights that fill less than half of the model; None where they fill more."""
        if self.share >= FEW:
            return None
        return f"only {self.share:.1%} of the numbers below the head come from the weights; the rest starts at random"

    @property
    def complete(self) -> bool:
        """Whether file and model matched tensor by tensor."""
        return not (self.adapted or self.skipped or self.missing)

    @property
    def headline(self) -> str:
        """The report in one line."""
        parts = (("loaded", self.loaded), ("adapted", self.adapted), ("skipped", self.skipped))
        counts = ", ".join(f"{len(names)} {what}" for what, names in parts)
        return f"{counts}, {len(self.missing)} not in the file: {self.share:.1%} of the numbers below the head"

    def __str__(self) -> str:
        """The headline, then one line a reason with the first names; `plain` holds every name."""
        lines = [self.headline]
        for what, names in (("adapted", self.adapted), ("skipped", self.skipped)):
            reasons: dict[str, list[str]] = {}
            for name, reason in names.items():
                reasons.setdefault(reason, []).append(name)
            lines += [f"{what}, {reason}: {_some(same)}" for reason, same in reasons.items()]
        if self.missing:
            lines.append(f"not in the file, kept as initialised: {_some(self.missing)}")
        return "\n".join(lines)

    def plain(self) -> dict[str, Any]:
        """Everything as JSON."""
        return {
            "share": self.share,
            "loaded": list(self.loaded),
            "adapted": dict(self.adapted),
            "skipped": dict(self.skipped),
            "missing": list(self.missing),
        }


def apply_weights(
    model: nn.Module, tensors: Mapping[str, Tensor], leave: Mapping[str, str] | None = None
) -> WeightReport:
    """Copy tensors into a model where name and shape fit, and say what became of every one.

    A convolution that differs in its input channels is adapted: summed over the channels of the file and shared
    evenly over those of the model, which for a grey model equals feeding grey as every channel. A 2D kernel is
    inflated to 3D: repeated over time and divided by the repeats, so that a still video gives what the picture gave
    (Carreira and Zisserman 2017, arXiv:1705.07750). A transformer's table of positions of another square picture is
    resampled.

    Args:
        model: Changed in place.
        tensors: Named as in ``model.state_dict()``; see `renamed`.
        leave: Beginnings of names that are not to be loaded, each with the reason.

    Returns:
        The fate of every name; nothing is left out in silence.

    Raises:
        EchokitError: Less than a tenth of the model's trained numbers below its head come from the tensors, or one of
            these holds what is no finite number.
    """
    state = model.state_dict()
    trained = {name: p.numel() for name, p in model.named_parameters() if not name.startswith(HEAD)}
    loaded: list[str] = []
    adapted: dict[str, str] = {}
    skipped: dict[str, str] = {}
    with torch.no_grad():
        for name, tensor in tensors.items():
            reason = next((why for start, why in (leave or {}).items() if name.startswith(start)), None)
            if reason is not None:
                skipped[name] = reason
            elif name not in state:
                skipped[name] = "the model has no such tensor"
            elif tensor.shape == state[name].shape:
                state[name].copy_(_finite(name, tensor))
                loaded.append(name)
            elif (change := _adapt(name, tensor, state[name])) is not None:
                state[name].copy_(_finite(name, change[0]))
                adapted[name] = change[1]
            else:
                skipped[name] = f"shape {_size(tensor)} does not fit {_size(state[name])}"
    filled = sum(trained.get(name, 0) for name in (*loaded, *adapted))
    if not filled:
        raise EchokitError(
            "not one tensor of the weights fits the model",
            hint=f"the file has {_some(tuple(tensors))}; the model has {_some(tuple(state))}",
            where="model.weights",
        )
    missing = tuple(name for name in state if name not in tensors)
    share = filled / max(sum(trained.values()), 1)
    statistics = {name for name in state if name.endswith((".running_mean", ".running_var"))}
    report = WeightReport(tuple(loaded), adapted, skipped, missing, share, statistics <= set(loaded))
    if share < LEAST:
        raise EchokitError(
            f"the weights hardly fit the model: {report.headline}",
            hint=next((f"{name}: {why}" for name, why in skipped.items() if "does not fit" in why), None)
            or f"the file has {_some(tuple(tensors))}; the model has {_some(tuple(state))}",
            where="model.weights",
        )
    return report


def renamed(model: nn.Module, tensors: Mapping[str, Tensor], *, head: bool = False) -> dict[str, Tensor]:
    """Name the tensors of a library's model as they are named in an echokit model.

    The library's model lies somewhere inside the backbones; the part of the model whose names agree best with the
    file's is found, in every stream alike, and gets the tensors. The names of torchvision's and timm's image resnets
    are also tried as video resnets have them, and taken where all layers agree. Names that agree nowhere stay as they
    are.

    Args:
        model: That shall start from them.
        tensors: A state dict; one that names parts of ``model`` is returned as it is.
        head: Also take the file's only linear layer of the head's shape for the head.
    """
    state = model.state_dict()
    if any(name in state for name in tensors):
        return dict(tensors)
    found = _placed(state, tensors)
    below = {name for name, _ in model.named_parameters() if not name.startswith(HEAD)}
    for named in video_names(tensors):
        other = _placed(state, named)
        if below <= set(other) and sum(name not in state for name in other) <= len(_LINEAR):  # the very same layers
            found = other
    if head:
        shape = state[HEAD + "weight"].shape
        fits = [name for name, tensor in found.items() if name not in state and tensor.shape == shape]
        if len(fits) == 1:
            layer = fits[0].removesuffix("weight")
            for part in _LINEAR:
                if layer + part in found:
                    found[HEAD + part] = found.pop(layer + part)
    return found


def _placed(state: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefixes = {name[: name.index(".", start) + 1] for name in state for start in _ends(name)}
    agree = {prefix: sum(prefix + name in state for name in tensors) for prefix in prefixes}
    most = max(agree.values(), default=0)
    places = sorted(prefix for prefix, count in agree.items() if count == most > 0)
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        there = [prefix + name for prefix in places if prefix + name in state]
        found.update(dict.fromkeys(there, tensor) if there else {name: tensor})
    return found


def fewer_channels(kernel: Tensor, channels: int) -> Tensor:
    """The kernel of a convolution for another number of input channels: its answer to grey in all of them stays.

    Args:
        kernel: (out, in, ...).
        channels: To take.
    """
    return kernel.sum(1, keepdim=True).div(channels).expand(-1, channels, *[-1] * (kernel.ndim - 2))


def _ends(name: str) -> Iterator[int]:
    return (place for place, letter in enumerate(name) if letter == ".")


def _adapt(name: str, tensor: Tensor, wanted: Tensor) -> tuple[Tensor, str] | None:
    """The tensor in the wanted shape and what was done, or None where nothing sensible makes it fit."""
    if name.split(".")[-1] == _POSITIONS:
        return _other_positions(tensor, wanted)
    changes = []
    if tensor.ndim == 4 and wanted.ndim == 5:
        times = wanted.shape[2]
        tensor = tensor.unsqueeze(2).expand(-1, -1, times, -1, -1) / times
        changes.append(f"2D kernel inflated over {times} frames")
    if tensor.ndim != wanted.ndim or wanted.ndim not in (4, 5):
        return None
    if tensor.shape[1] != wanted.shape[1]:
        channels = wanted.shape[1]
        if max(tensor.shape[1], channels) > MOST_CHANNELS:
            return None  # no stem: to mix the inner channels of another width would make nonsense
        changes.append(f"{tensor.shape[1]} input channels to {channels}")
        tensor = fewer_channels(tensor, channels)
    return (tensor, ", ".join(changes)) if tensor.shape == wanted.shape else None


def _finite(name: str, tensor: Tensor) -> Tensor:
    if not torch.isfinite(tensor).all():
        raise EchokitError(
            f"the tensor {name!r} of the weights has numbers that are NaN or infinite",
            hint="the training that made them has diverged, or the file is damaged: take an earlier checkpoint",
            where="model.weights",
        )
    return tensor


def _other_positions(table: Tensor, wanted: Tensor) -> tuple[Tensor, str] | None:
    """A table (1, tokens, features) of positions in a square, resampled for another one; tokens of no patch stay.

    Source: Dosovitskiy et al. 2021 (arXiv:2010.11929); bicubic, as timm does it.
    """
    if table.ndim != 3 or wanted.ndim != 3 or table.shape[::2] != wanted.shape[::2]:
        return None
    for apart in range(MOST_TOKENS + 1):
        old, new = (math.isqrt(max(one.shape[1] - apart, 0)) for one in (table, wanted))
        if old and new and old * old + apart == table.shape[1] and new * new + apart == wanted.shape[1]:
            square = table[:, apart:].float().reshape(1, old, old, -1).movedim(3, 1)
            square = functional.interpolate(square, (new, new), mode="bicubic", antialias=True)
            resampled = square.flatten(2).transpose(1, 2).to(table.dtype)
            return torch.cat([table[:, :apart], resampled], 1), f"positions resampled from {old}x{old} to {new}x{new}"
    return None


def _size(tensor: Tensor) -> str:
    return "x".join(str(length) for length in tensor.shape) or "scalar"


def _some(names: Sequence[str]) -> str:
    first = ", ".join(names[:3]) or "nothing"
    return f"{first} and {len(names) - 3} more" if len(names) > 3 else first
