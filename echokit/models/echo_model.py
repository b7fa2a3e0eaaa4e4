"""EchoModel: from streams in real units to outputs, with the normalisation inside: weights carry it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from echokit.errors import EchokitError
from echokit.models.norm import Norm
from echokit.models.shape import InputShape

Backbone = Callable[[InputShape], nn.Module]
Fusion = Callable[[Mapping[str, InputShape], Backbone], nn.Module]


class EchoModel(nn.Module):
    """Normalise every stream, zero its padding, fuse, and answer.

    Under autocast the streams enter the network in its reduced dtype; the head stays in float32.

    Args:
        fused: Made by a fusion: maps {stream: (B, C, T, H, W)} to (B, features); has ``features``, and may
            have ``streams`` (the names it reads; else all of ``norms``) and ``dropout`` (rate before the
            head; else 0).
        outputs: Numbers to give for a clip.
        norms: One a stream that is read; kept as buffers, and so in the weights.

    Attributes:
        streams: Names of the streams that are read.

    Raises:
        EchokitError: A stream has no norm, or ``fused`` has no ``features``.
    """

    def __init__(self, fused: nn.Module, outputs: int, norms: Mapping[str, Norm]) -> None:
        super().__init__()
        features = getattr(fused, "features", None)
        if not isinstance(features, int):
            raise EchokitError(
                f"the fusion {type(fused).__name__} does not say how wide its answer is",
                hint="set the attribute `features` to an int",
            )
        self.streams: tuple[str, ...] = tuple(getattr(fused, "streams", norms))
        if without := [name for name in self.streams if name not in norms]:
            raise EchokitError(f"no normalisation is given for the streams {', '.join(without)}")
        for name in self.streams:
            for part in ("mean", "std"):
                numbers = torch.tensor(getattr(norms[name], part), dtype=torch.float32)
                self.register_buffer(f"{name}_{part}", numbers)
        self.fused = fused
        self.dropout = nn.Dropout(getattr(fused, "dropout", 0.0))
        self.head = nn.Linear(features, outputs)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def start_at(self, bias: Sequence[float]) -> None:
        """Let the head start at given answers, such as the mean of the training values.

        Args:
            bias: One number an output.
        """
        with torch.no_grad():
            self.head.bias.copy_(torch.tensor(bias, dtype=torch.float32))

    def forward(self, streams: Mapping[str, Tensor], valid: Mapping[str, Tensor]) -> Tensor:
        """Answer a batch.

        Args:
            streams: (B, C, T, H, W) float32 in real units by name: grey 0..255, flow in pixels a frame.
            valid: (B, T) bool by name: False where a frame is padding.

        Returns:
            (B, outputs) float32.
        """
        return self.answer(self.encode(streams, valid))

    def encode(self, streams: Mapping[str, Tensor], valid: Mapping[str, Tensor]) -> Tensor:
        """Return (B, features) before dropout and head, in the compute dtype; arguments as `forward`."""
        ready = {name: self.normalise(name, streams[name], valid[name]) for name in self.streams}
        features: Tensor = self.fused(ready)
        return features

    def answer(self, features: Tensor) -> Tensor:
        """(B, features) to (B, outputs) float32: dropout and head, all that trains on a frozen backbone."""
        with _full_precision(features.device.type):
            outputs: Tensor = self.head(self.dropout(features.float()))
        return outputs

    def normalise(self, name: str, stream: Tensor, valid: Tensor) -> Tensor:
        """Return ``(stream - mean) / std``, zero at the padding, in the compute dtype, channels last.

        Zero is then the mean of the training clips: the padding says nothing.

        Args:
            name: Of the stream.
            stream: (B, C, T, H, W) float32 in real units.
            valid: (B, T) bool.
        """
        if valid.shape != (len(stream), stream.shape[2]):  # it would be broadcast in silence
            raise ValueError(f"valid[{name!r}] is {tuple(valid.shape)} for a stream of {tuple(stream.shape)}")
        mean, std = self.get_buffer(f"{name}_mean"), self.get_buffer(f"{name}_std")
        each = (-1, 1, 1, 1)
        normal = (stream - mean.view(each)) / std.view(each)
        normal = normal.masked_fill(~valid[:, None, :, None, None], 0.0)
        return normal.to(_compute_dtype(stream.device.type), memory_format=torch.channels_last_3d)


def build_model(
    fusion: Fusion,
    backbone: Backbone,
    shapes: Mapping[str, InputShape],
    outputs: int,
    norms: Mapping[str, Norm],
    seed: int,
) -> EchoModel:
    """Build a model whose start depends on the seed alone: the global random state is neither read nor moved.

    The weights of 3-D convolutions lie channels last, the faster format on CPUs (max-pooling above all) and on GPUs.

    Args:
        fusion: Fusion component.
        backbone: Backbone component.
        shapes: Of the streams of the clips.
        outputs: Numbers to give for a clip, as the objective says.
        norms: One for each stream that the fusion reads.
        seed: Of the initial weights.

    Raises:
        EchokitError: Streams, sizes or norms do not fit the components.
    """
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: that would reach the generators of the GPUs too, which nothing here restores.
        torch.default_generator.manual_seed(seed)
        model = EchoModel(fusion(shapes, backbone), outputs, norms)
    for parameter in model.parameters():
        if parameter.ndim == 5:  # Module.to(memory_format=...) would refuse the 4-D weights of a 2-D backbone
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
    return model


def _compute_dtype(device: str) -> torch.dtype:
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return torch.float32


def _full_precision(device: str) -> AbstractContextManager[object]:
    # The meta device, on which shapes are checked and costs counted, knows no autocast.
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()
