"""Fusions of the streams of a clip into one feature vector; the torch modules are in `fusion_modules`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from echokit.errors import EchokitError, did_you_mean

if TYPE_CHECKING:
    from torch import nn

    from echokit.models.input_shape import InputShape


class TwoStream:
    """Two-stream late fusion: one backbone for video, one for optical flow.

    Source: Simonyan and Zisserman 2014, arXiv:1406.2199, concatenated before the head as in the reference study.

    Args:
        dropout: FC dropout: rate of fused features dropped before the head.
    """

    streams = ("video", "flow")

    def __init__(self, *, dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0) -> None:
        self.dropout = dropout

    def __call__(self, shapes: Mapping[str, InputShape], backbone: Callable[[InputShape], nn.Module]) -> nn.Module:
        """Build both backbones.

        Args:
            shapes: Of the streams ``video`` and ``flow``, and of no other.
            backbone: Called once for each stream.

        Returns:
            A module mapping {stream: (B, C, T, H, W) float} to (B, features), with ``features``, ``streams``
            (the names that it reads) and ``dropout`` (applied by `EchoModel` before the head).

        Raises:
            EchokitError: A stream is missing or unknown.
        """
        from echokit.models.fusions.fusion_modules import Concatenate

        if "flow" not in shapes:
            raise EchokitError(
                "two_stream needs the streams video and flow, and there is no flow",
                hint="add optical_flow to preprocess, or use single_stream",
                code="fusion.missing_stream",
            )
        if set(shapes) != set(self.streams):
            raise EchokitError(
                f"two_stream needs exactly the streams video and flow, not {', '.join(sorted(shapes))}",
                code="fusion.other_streams",
            )
        return Concatenate({name: backbone(shapes[name]) for name in self.streams}, self.dropout)


class SingleStream:
    """One stream through one backbone; other streams of the clip are ignored.

    Args:
        stream: Name of the stream: ``video``, or ``flow`` if preprocess has optical_flow.
        dropout: FC dropout: rate of features dropped before the head.
    """

    def __init__(self, *, stream: str = "video", dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0) -> None:
        self.stream = stream
        self.dropout = dropout

    def __call__(self, shapes: Mapping[str, InputShape], backbone: Callable[[InputShape], nn.Module]) -> nn.Module:
        """Build the backbone.

        Args:
            shapes: Of all streams of the clips.
            backbone: Called once.

        Returns:
            A module like that of `TwoStream`.

        Raises:
            EchokitError: The clips have no such stream.
        """
        from echokit.models.fusions.fusion_modules import Concatenate

        if self.stream not in shapes:
            hint = "add optical_flow to preprocess" if self.stream == "flow" else did_you_mean(self.stream, shapes)
            raise EchokitError(
                f"there is no stream {self.stream!r}, only {', '.join(sorted(shapes))}",
                hint=hint,
                code="fusion.missing_stream",
            )
        return Concatenate({self.stream: backbone(shapes[self.stream])}, self.dropout)
