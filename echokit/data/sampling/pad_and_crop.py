"""PadAndCrop: move the picture a little, as echonet/dynamic does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from torch import Generator, Tensor


class PadAndCrop:
    """Add black on every side and cut a picture of the old size out at a random place.

    All frames and streams of a sample move by the same whole pixels, so no value is blended. What comes in from
    outside is black, and still in the flow.

    Args:
        share: Most that is moved, as a share of the height and of the width; echonet/dynamic's 12 of 112
            pixels are 0.107.
    """

    def __init__(self, *, share: Annotated[float, Field(ge=0, lt=1)] = 0.1) -> None:
        self.share = share

    def __call__(self, streams: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
        """Return the streams (B, C, T, H, W), moved."""
        import torch
        from torch.nn.functional import pad

        first = next(iter(streams.values()))
        batch, height, width = first.shape[0], *first.shape[-2:]
        down, right = (round(self.share * side) for side in (height, width))
        drawn = torch.rand(batch, 2, generator=generator, device=first.device).tolist()
        places = [(int(y * (2 * down + 1)), int(x * (2 * right + 1))) for y, x in drawn]

        def moved(stream: Tensor) -> Tensor:
            padded = pad(stream, (right, right, down, down))
            cut = [padded[i, ..., top : top + height, left : left + width] for i, (top, left) in enumerate(places)]
            return torch.stack(cut)

        return {name: moved(stream) for name, stream in streams.items()}
