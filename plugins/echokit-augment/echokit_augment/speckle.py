"""Speckle: multiplicative noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Speckle:
    """Multiply every pixel by normal noise around 1, new in each frame.

    Black stays black.

    What leaves 0..255 stays at its end. Flow is not changed.

    Args:
        sd: Standard deviation of the noise.
    """

    def __init__(self, *, sd: Annotated[float, Field(ge=0, le=1)] = 0.1) -> None:
        self.sd = sd

    def __call__(self, streams: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
        """Return the streams with another ``video`` (B, 1, T, H, W), 0 to 255."""
        import torch

        if "video" not in streams:
            return dict(streams)
        video = streams["video"]
        noise = torch.randn(video.shape, generator=generator, device=video.device, dtype=video.dtype)
        return {**streams, "video": (video * (1 + self.sd * noise)).clamp(0, 255)}
