"""Torch modules of image models: encode every frame alone, then pool over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FrameByFrame(nn.Module):
    """Encode every frame and pool over time: (B, C, T, H, W) to (B, F).

    With an LSTM, to (B, hidden).

    Args:
        image: Maps (N, C, H, W) to (N, F).
        pool: Maps (B, T, F) to (B, F) or (B, hidden).
    """

    def __init__(self, image: nn.Module, pool: nn.Module) -> None:
        super().__init__()
        self.image = image.to(memory_format=torch.channels_last)
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        frames = self.image(x.transpose(1, 2).flatten(0, 1))
        out: Tensor = self.pool(frames.unflatten(0, (len(x), x.shape[2])))
        return out


class MeanOverTime(nn.Module):
    """Average pooling over time."""

    def forward(self, frames: Tensor) -> Tensor:
        return frames.mean(1)


class MaxOverTime(nn.Module):
    """Max pooling over time."""

    def forward(self, frames: Tensor) -> Tensor:
        return frames.amax(1)


class AttentionOverTime(nn.Module):
    """Attention pooling over time (Ilse et al. 2018, without the gate).

    arXiv:1802.04712

    Args:
        features: Of a frame.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        hidden = max(features // 4, 1)
        self.score = nn.Sequential(nn.Linear(features, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, frames: Tensor) -> Tensor:
        weights: Tensor = self.score(frames).softmax(1)
        return (weights * frames).sum(1)


class LstmOverTime(nn.Module):
    """Last hidden state of an LSTM over the frames.

    Args:
        features: Of a frame.
        hidden: Of the state.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, batch_first=True)

    def forward(self, frames: Tensor) -> Tensor:
        last: Tensor = self.lstm(frames)[1][0]
        return last[-1]
