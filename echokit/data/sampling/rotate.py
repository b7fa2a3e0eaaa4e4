"""Rotate: tilt the probe a little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Rotate:
    """Turn the picture about its centre by a random angle, flow included.

    Values are interpolated linearly; what comes in from outside is black, and still in the flow. All frames and streams
    of a sample turn alike.

    Args:
        degrees: Largest angle, in either direction.
    """

    def __init__(self, *, degrees: Annotated[float, Field(ge=0, le=180)] = 10.0) -> None:
        self.degrees = degrees

    def __call__(self, streams: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
        """Return the streams (B, C, T, H, W), turned."""
        import math

        import torch

        first = next(iter(streams.values()))
        batch, height, width = first.shape[0], *first.shape[-2:]
        drawn = torch.rand(batch, generator=generator, device=first.device)
        angle = (2 * drawn - 1) * math.radians(self.degrees)
        sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
        y = (torch.arange(height, device=first.device) - (height - 1) / 2)[None, :, None]
        x = (torch.arange(width, device=first.device) - (width - 1) / 2)[None, None]
        # Where each pixel comes from, in units of half a side, as grid_sample counts.
        grid = torch.stack([(cosine * x + sine * y) * 2 / width, (cosine * y - sine * x) * 2 / height], -1)
        return {name: _turned(stream, grid, sine, cosine, vectors=name == "flow") for name, stream in streams.items()}


def _turned(stream: Tensor, grid: Tensor, sine: Tensor, cosine: Tensor, *, vectors: bool) -> Tensor:
    import torch
    from torch.nn.functional import grid_sample

    flat = stream.reshape(stream.shape[0], -1, *stream.shape[-2:])
    turned = grid_sample(flat, grid.to(stream.dtype), mode="bilinear", padding_mode="zeros", align_corners=False)
    turned = turned.reshape(stream.shape)
    if vectors:
        right, down = turned[:, 0], turned[:, 1]
        s, c = sine[..., None], cosine[..., None]
        turned = torch.stack([c * right - s * down, s * right + c * down], 1).to(stream.dtype)
    return turned
