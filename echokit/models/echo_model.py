"""Complete model: normalisation of the streams, backbones, fusion and head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from echokit.errors import EchokitError
from echokit.models.fusions.fusion_modules import feature_width
from echokit.models.input_shape import InputShape
from echokit.models.norm import Norm

Backbone = Callable[[InputShape], nn.Module]
Fusion = Callable[[Mapping[str, InputShape], Backbone], nn.Module]


class EchoModel(nn.Module):
    """Normalise every stream, zero its padding, fuse, and apply the head.

    Under autocast the streams enter the network in its reduced dtype; the head stays in float32.

    Args:
        fused: Built by a fusion: maps {stream: (B, C, T, H, W)} to (B, features); has ``features``, and may
            have ``streams`` (the names it reads; else all of ``norms``) and ``dropout`` (rate before the
            head; else 0).
        outputs: Number of outputs a clip.
        norms: One for each stream that is read; saved with the weights, as buffers.

    Attributes:
        streams: Names of the streams that are read.

    Raises:
        EchokitError: A stream has no norm, or ``fused`` has no ``features``.
    """

    def __init__(self, fused: nn.Module, outputs: int, norms: Mapping[str, Norm]) -> None:
        super().__init__()
        features = feature_width(fused, "fusion")
        self.streams: tuple[str, ...] = tuple(getattr(fused, "streams", norms))
        if missing := [name for name in self.streams if name not in norms]:
            raise EchokitError(
                f"no normalisation is given for the streams {', '.join(missing)}", code="model.missing_norm"
            )
        for name in self.streams:
            for part in ("mean", "std"):
                numbers = torch.tensor(getattr(norms[name], part), dtype=torch.float32)
                self.register_buffer(f"{name}_{part}", numbers)
        self.fused = fused
        self.dropout = nn.Dropout(getattr(fused, "dropout", 0.0))
        self.head = nn.Linear(features, outputs)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def set_head_bias(self, bias: Sequence[float]) -> None:
        """Initialise the bias of the head, such as with the mean of the targets.

        Args:
            bias: One number for each output.
        """
        with torch.no_grad():
            self.head.bias.copy_(torch.tensor(bias, dtype=torch.float32))

    def forward(self, streams: Mapping[str, Tensor], valid: Mapping[str, Tensor]) -> Tensor:
        """Compute the outputs of a batch.

        Args:
            streams: (B, C, T, H, W) float32 in real units by name: grey 0..255, flow in pixels a frame.
            valid: (B, T) bool by name: False for frames of padding.

        Returns:
            (B, outputs) float32.
        """
        return self.answer(self.encode(streams, valid))

    def encode(self, streams: Mapping[str, Tensor], valid: Mapping[str, Tensor]) -> Tensor:
        """Compute the (B, features) before dropout and head, in the compute dtype.

        Arguments as in `forward`.
        """
        ready = {name: self.normalise(name, streams[name], valid[name]) for name in self.streams}
        features: Tensor = self.fused(ready)
        return features

    def answer(self, features: Tensor) -> Tensor:
        """Apply dropout and head to (B, features): (B, outputs) float32.

        Only these train on a frozen backbone.
        """
        with _full_precision(features.device.type):
            outputs: Tensor = self.head(self.dropout(features.float()))
        return outputs

    def normalise(self, name: str, stream: Tensor, valid: Tensor) -> Tensor:
        """Return ``(stream - mean) / std``, zero at the padding, channels last.

        Zero is then the mean of the training clips: the padding carries no information.

        Args:
            name: Of the stream.
            stream: (B, C, T, H, W) float32 in real units.
            valid: (B, T) bool.
        """
        if valid.shape != (len(stream), stream.shape[2]):  # it would be broadcast silently
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
    """Build a model with initial weights from a seed.

    The global random state is neither read nor changed.

    The weights of 3-D convolutions are channels last, the faster format on CPUs (above all for max-pooling) and GPUs.

    Args:
        fusion: Fusion component.
        backbone: Backbone component.
        shapes: Of the streams of the clips.
        outputs: Number of outputs a clip, from the objective.
        norms: One for each stream that the fusion reads.
        seed: Of the initial weights.

    Raises:
        EchokitError: Streams, sizes or norms do not fit the components.
    """
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: it also seeds the generators of the GPUs, which fork_rng does not restore here.
        torch.default_generator.manual_seed(seed)
        model = EchoModel(fusion(shapes, backbone), outputs, norms)
    for parameter in model.parameters():
        if parameter.ndim == 5:  # Module.to(memory_format=...) rejects the 4-D weights of a 2-D backbone
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
    return model


def _compute_dtype(device: str) -> torch.dtype:
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return torch.float32


def _full_precision(device: str) -> AbstractContextManager[object]:
    # The meta device, on which shapes are checked and costs counted, has no autocast.
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()
