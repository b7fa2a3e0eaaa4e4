"""Mixup: train on weighted means of two clips and of their targets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from echokit import LabelledBatch

if TYPE_CHECKING:
    from torch import Generator


class Mixup:
    """Mix every clip of a batch, and its target, with another one (Zhang et al., mixup, ICLR 2018).

    One share is drawn for the whole batch from the distribution Beta(alpha, alpha). The flow of a mixed clip is the
    mixed flow, which is no motion of the mixed picture. The training accuracy counts the clip's own class, and so is
    too low.

    Args:
        alpha: Both parameters of the beta distribution; small values mix little.
    """

    def __init__(self, *, alpha: Annotated[float, Field(gt=0, le=100)] = 0.2) -> None:
        self.alpha = alpha

    def __call__(self, batch: LabelledBatch, generator: Generator) -> LabelledBatch:
        """Return the mixed batch; all streams are mixed alike."""
        import numpy as np
        import torch

        device = batch.y_true.device
        partner = torch.randperm(len(batch.y_true), generator=generator, device=device)
        seed = int(torch.randint(2**62, (1,), generator=generator, device=device))
        share = float(np.random.default_rng(seed).beta(self.alpha, self.alpha))  # torch has none with a generator
        mixed = {name: share * x + (1 - share) * x[partner] for name, x in batch.streams.items()}
        return replace(batch, streams=mixed, partner=partner, share=share)
