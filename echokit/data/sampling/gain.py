"""Gain: another setting of the machine's gain and dynamic range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from torch import Generator, Tensor

_BLACK = 16.0  # grey levels below which a pixel is more and more taken for background


class Gain:
    """Change brightness and contrast, as gain and dynamic range do.

    Grey levels are a logarithm of the echo, so a gain adds to them and a dynamic range stretches them, about the middle
    grey. What leaves 0..255 stays at its end, as on the machine; black stays black. Flow is not changed.

    Args:
        level: Most that is added or taken, as a share of the range of grey levels.
        contrast: Most by which differences in grey grow or shrink, as a share.
    """

    def __init__(
        self,
        *,
        level: Annotated[float, Field(ge=0, le=1)] = 0.1,
        contrast: Annotated[float, Field(ge=0, lt=1)] = 0.1,
    ) -> None:
        self.level = level
        self.contrast = contrast

    def __call__(self, streams: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
        """Return the streams with another ``video`` (B, 1, T, H, W), 0 to 255."""
        import torch

        if "video" not in streams:
            return dict(streams)
        video = streams["video"]
        drawn = torch.rand(len(video), 2, generator=generator, device=video.device, dtype=video.dtype) * 2 - 1
        added, stretched = (drawn * drawn.new_tensor([self.level * 255, self.contrast])).T[..., None, None, None, None]
        changed = (video - 127.5) * (1 + stretched) + 127.5 + added
        lit = (video / _BLACK).clamp(0, 1)
        return {**streams, "video": (video + (changed - video) * lit).clamp(0, 255)}
