"""Augment sample by sample: the result depends on the sample and its seed alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Augmentation = Callable[[dict[str, Tensor], torch.Generator], dict[str, Tensor]]
Integers = npt.NDArray[np.int64]


def augment_batch(
    streams: Mapping[str, Tensor], augment: Sequence[Augmentation], seeds: Sequence[int], device: torch.device
) -> dict[str, Tensor]:
    """Augment a batch.

    Neither its size nor its order nor the number of processes changes a sample.

    Args:
        streams: (B, C, T, H, W) each, on ``device``.
        augment: Applied in order.
        seeds: One for each sample.
        device: Device of the random numbers.
    """
    samples = []
    for index, seed in enumerate(seeds):
        generator = torch.Generator(device).manual_seed(seed)
        sample = {name: stream[index : index + 1] for name, stream in streams.items()}
        for change in augment:
            sample = change(sample, generator)
        samples.append(sample)
    return {name: torch.cat([sample[name] for sample in samples]) for name in samples[0]}


def seed_of(*key: int) -> int:
    """Derive a seed of 63 bits from a key."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))


def occurrences(case: Integers) -> Integers:
    """Number the windows of each case, from 0."""
    seen: dict[int, int] = {}
    numbers = np.empty(len(case), np.int64)
    for position, row in enumerate(case.tolist()):
        numbers[position] = seen.get(row, 0)
        seen[row] = numbers[position] + 1
    return numbers
