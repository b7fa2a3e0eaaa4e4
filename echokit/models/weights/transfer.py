"""Transfer given weights into a model, with a report on every tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from echokit.errors import EchokitError
from echokit.models.weights.resnet_names import video_names

HEAD = "head."
MOST_CHANNELS = 4  # of a picture
LEAST, FEW = 0.1, 0.5  # shares of the parameters below the head: less than this is an error, or a warning
MOST_TOKENS = 5  # of a transformer without a patch, such as its class token
_LINEAR = ("weight", "bias")
_POSITIONS = "pos_embed"


@dataclass(frozen=True)
class WeightReport:
    """Report on every tensor of the file and of the model.

    Attributes:
        loaded: Names copied as they are.
        adapted: Names copied after a change, each with a description of the change.
        skipped: Names of the file that were not used, each with the reason.
        missing: Names of the model that the file does not have; they keep their values.
        share: Fraction of the model's parameters below the head that come from the file.
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
        """Return a warning if the weights fill less than half of the model, else None."""
        if self.share >= FEW:
            return None
        return f"only {self.share:.1%} of the parameters below the head come from the weights; the rest is random"

    @property
    def complete(self) -> bool:
        """Whether all tensors of file and model matched."""
        return not (self.adapted or self.skipped or self.missing)

    @property
    def headline(self) -> str:
        """Return the report in one line."""
        groups = (("loaded", self.loaded), ("adapted", self.adapted), ("skipped", self.skipped))
        counts = ", ".join(f"{len(names)} {group}" for group, names in groups)
        return f"{counts}, {len(self.missing)} not in the file: {self.share:.1%} of the parameters below the head"

    def __str__(self) -> str:
        """Format the headline, then one line a reason with the first names."""
        lines = [self.headline]
        for group, names in (("adapted", self.adapted), ("skipped", self.skipped)):
            reasons: dict[str, list[str]] = {}
            for name, reason in names.items():
                reasons.setdefault(reason, []).append(name)
            lines += [f"{group}, {reason}: {_first_names(same)}" for reason, same in reasons.items()]
        if self.missing:
            lines.append(f"not in the file, initialised at random: {_first_names(self.missing)}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
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
    """Copy tensors into a model if name and shape fit, and report on every one.

    A convolution that differs in its input channels is adapted: summed over the channels of the file and shared
    evenly over those of the model, which for a grey model equals feeding grey as every channel. A 2D kernel is
    inflated to 3D: repeated over time and divided by the repeats, so that the output for a still video equals that for
    its picture (Carreira and Zisserman 2017, arXiv:1705.07750). Position embeddings of another square picture are
    resampled.

    Args:
        model: Changed in place.
        tensors: Named as in ``model.state_dict()``; see `renamed`.
        leave: Prefixes of names that are not loaded, each with the reason.

    Returns:
        The report, with every name.

    Raises:
        EchokitError: Less than a tenth of the model's parameters below its head come from the tensors, or one of these
            has a NaN or an infinite number.
    """
    state = model.state_dict()
    parameters = {name: p.numel() for name, p in model.named_parameters() if not name.startswith(HEAD)}
    loaded: list[str] = []
    adapted: dict[str, str] = {}
    skipped: dict[str, str] = {}
    with torch.no_grad():
        for name, tensor in tensors.items():
            reason = next((why for prefix, why in (leave or {}).items() if name.startswith(prefix)), None)
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
    filled = sum(parameters.get(name, 0) for name in (*loaded, *adapted))
    names_hint = f"the file has {_first_names(tuple(tensors))}; the model has {_first_names(tuple(state))}"
    if not filled:
        raise EchokitError(
            "not one tensor of the weights fits the model",
            hint=names_hint,
            where="model.weights",
            code="weights.no_match",
        )
    missing = tuple(name for name in state if name not in tensors)
    share = filled / max(sum(parameters.values()), 1)
    statistics = {name for name in state if name.endswith((".running_mean", ".running_var"))}
    report = WeightReport(tuple(loaded), adapted, skipped, missing, share, statistics <= set(loaded))
    if share < LEAST:
        raise EchokitError(
            f"too few of the weights fit the model: {report.headline}",
            hint=next((f"{name}: {why}" for name, why in skipped.items() if "does not fit" in why), names_hint),
            where="model.weights",
            code="weights.few_match",
        )
    return report


def renamed(model: nn.Module, tensors: Mapping[str, Tensor], *, head: bool = False) -> dict[str, Tensor]:
    """Rename the tensors of a library's model to their names in an echokit model.

    The library's model is a submodule of the backbones. The submodules with the most names in common with the file get
    the tensors, in every stream. Tensors of the image ResNets of torchvision and timm are also tried under the names of
    video ResNets, which are used if all layers agree. Other names do not change.

    Args:
        model: To be initialised.
        tensors: A state dict; one that names parts of ``model`` is returned as it is.
        head: Also rename the file's only linear layer of the head's shape to the head.
    """
    state = model.state_dict()
    if any(name in state for name in tensors):
        return dict(tensors)
    matches = _match_names(state, tensors)
    below = {name for name, _ in model.named_parameters() if not name.startswith(HEAD)}
    for named in video_names(tensors):
        candidate = _match_names(state, named)
        surplus = sum(name not in state for name in candidate)
        if below <= set(candidate) and surplus <= len(_LINEAR):  # exactly the same layers
            matches = candidate
    if head:
        shape = state[HEAD + "weight"].shape
        fits = [name for name, tensor in matches.items() if name not in state and tensor.shape == shape]
        if len(fits) == 1:
            layer = fits[0].removesuffix("weight")
            for part in _LINEAR:
                if layer + part in matches:
                    matches[HEAD + part] = matches.pop(layer + part)
    return matches


def _match_names(state: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add the prefixes under which most of the names are in ``state``."""
    prefixes = {name[: end + 1] for name in state for end, letter in enumerate(name) if letter == "."}
    agree = {prefix: sum(prefix + name in state for name in tensors) for prefix in prefixes}
    most = max(agree.values(), default=0)
    best = sorted(prefix for prefix, count in agree.items() if count == most > 0)
    renamed_tensors: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        new_names = [prefix + name for prefix in best if prefix + name in state]
        renamed_tensors.update(dict.fromkeys(new_names or [name], tensor))
    return renamed_tensors


def fewer_channels(kernel: Tensor, channels: int) -> Tensor:
    """Adapt a kernel to other input channels; its output for grey is the same.

    Args:
        kernel: (out, in, ...).
        channels: New number of input channels.
    """
    return kernel.sum(1, keepdim=True).div(channels).expand(-1, channels, *[-1] * (kernel.ndim - 2))


def _adapt(name: str, tensor: Tensor, target: Tensor) -> tuple[Tensor, str] | None:
    """Adapt a tensor to another shape; None if it cannot fit.

    Return it with a description of the change.
    """
    if name.split(".")[-1] == _POSITIONS:
        return _resample_positions(tensor, target)
    changes = []
    if tensor.ndim == 4 and target.ndim == 5:
        times = target.shape[2]
        tensor = tensor.unsqueeze(2).expand(-1, -1, times, -1, -1) / times
        changes.append(f"2D kernel inflated over {times} frames")
    if tensor.ndim != target.ndim or target.ndim not in (4, 5):
        return None
    if tensor.shape[1] != target.shape[1]:
        channels = target.shape[1]
        if max(tensor.shape[1], channels) > MOST_CHANNELS:
            return None  # not the stem: inner channels of another width have other meanings
        changes.append(f"{tensor.shape[1]} input channels to {channels}")
        tensor = fewer_channels(tensor, channels)
    return (tensor, ", ".join(changes)) if tensor.shape == target.shape else None


def _finite(name: str, tensor: Tensor) -> Tensor:
    if not torch.isfinite(tensor).all():
        raise EchokitError(
            f"the tensor {name!r} of the weights has numbers that are NaN or infinite",
            hint="their training has diverged, or the file is damaged: use an earlier checkpoint",
            where="model.weights",
            code="weights.not_finite",
        )
    return tensor


def _resample_positions(table: Tensor, target: Tensor) -> tuple[Tensor, str] | None:
    """Resample position embeddings (1, tokens, features) of a square picture.

    Tokens without a patch do not change.

    Source: Dosovitskiy et al. 2021 (arXiv:2010.11929); bicubic, as timm does it.
    """
    if table.ndim != 3 or target.ndim != 3 or table.shape[::2] != target.shape[::2]:
        return None
    for extra in range(MOST_TOKENS + 1):
        old, new = (math.isqrt(max(tensor.shape[1] - extra, 0)) for tensor in (table, target))
        if old and new and old * old + extra == table.shape[1] and new * new + extra == target.shape[1]:
            square = table[:, extra:].float().reshape(1, old, old, -1).movedim(3, 1)
            square = functional.interpolate(square, (new, new), mode="bicubic", antialias=True)
            resampled = square.flatten(2).transpose(1, 2).to(table.dtype)
            return torch.cat([table[:, :extra], resampled], 1), f"positions resampled from {old}x{old} to {new}x{new}"
    return None


def _size(tensor: Tensor) -> str:
    return "x".join(str(length) for length in tensor.shape) or "scalar"


def _first_names(names: Sequence[str]) -> str:
    first = ", ".join(names[:3]) or "nothing"
    return f"{first} and {len(names) - 3} more" if len(names) > 3 else first
