"""BackMix: give clips the background of other clips of their batch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from echokit import LabelledBatch

if TYPE_CHECKING:
    from torch import Generator, Tensor


class BackMix:
    """Replace what lies outside a cone below the top edge with that of another clip.

    A network then cannot learn from the marks and texts beside the sector (Bransby et al., BackMix, MICCAI 2024, who
    use a mask of the sector for each video; here one cone serves all). Targets and flow stay as they are.

    Args:
        angle: Degrees from straight down to the edge of the cone; wide enough that the sector is inside.
        p: Probability that a clip gets another background.
    """

    def __init__(
        self,
        *,
        angle: Annotated[float, Field(gt=0, lt=90)] = 45.0,
        p: Annotated[float, Field(ge=0, le=1)] = 0.5,
    ) -> None:
        self.angle = angle
        self.p = p

    def __call__(self, batch: LabelledBatch, generator: Generator) -> LabelledBatch:
        """Return a batch with another ``video`` (B, 1, T, H, W)."""
        import torch

        if "video" not in batch.streams:
            return batch
        video: Tensor = batch.streams["video"]
        height, width = video.shape[-2:]
        down = torch.arange(height, device=video.device)[:, None]
        right = torch.arange(width, device=video.device) - (width - 1) / 2
        background = right.abs() > (down + 1) * math.tan(math.radians(self.angle))
        other = torch.randperm(len(video), generator=generator, device=video.device)
        chosen = torch.rand(len(video), generator=generator, device=video.device) < self.p
        taken = chosen[:, None, None, None, None] & background
        return replace(batch, streams={**batch.streams, "video": torch.where(taken, video[other], video)})
