"""A training batch with its targets, for augmentations that mix clips: mixup, BackMix."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LabelledBatch:
    """What an augmentation sees whose call is ``(batch, generator) -> LabelledBatch``.

    Attributes:
        streams: (B, C, T, H, W) each, by name, before the model normalises.
        y_true: (B,) int64 of 0 and 1.
        value: (B,) float32, the quantity behind the class; NaN if there is none.
        partner: (B,) int64: the position of the sample whose target each sample shares, or None if no targets are
            mixed.
        share: Weight of the sample's own target, from 0 to 1; the target of its partner has the rest.
    """

    streams: Mapping[str, Tensor]
    y_true: Tensor
    value: Tensor
    partner: Tensor | None = None
    share: float = 1.0


def takes_batch(augmentation: Callable[..., Any]) -> bool:
    """Return whether an augmentation is called with a whole `LabelledBatch`.

    Its first parameter is then named ``batch``; others are called with the streams of one sample at a time.
    """
    return next(iter(inspect.signature(augmentation).parameters), None) == "batch"
