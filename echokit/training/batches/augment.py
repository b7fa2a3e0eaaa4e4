"""Augment sample by sample: the result depends on the sample and its seed alone.

An augmentation that takes a whole `LabelledBatch` is the exception: it mixes samples on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from echokit.data.sampling.labelled_batch import LabelledBatch, takes_batch
from echokit.errors import EchokitError

Augmentation = Callable[..., Any]
"""``(streams, generator) -> streams`` for one sample, or ``(batch, generator) -> batch`` for a `LabelledBatch`."""

Integers = npt.NDArray[np.int64]


def augment_batch(
    streams: Mapping[str, Tensor], augment: Sequence[Augmentation], seeds: Sequence[int], device: torch.device
) -> dict[str, Tensor]:
    """Augment a batch.

    Neither its size nor its order nor the number of processes changes a sample.

    Args:
        streams: (B, C, T, H, W) each, on ``device``.
        augment: Applied in order; each takes the streams of one sample.
        seeds: One for each sample.
        device: Device of the random numbers.
    """
    return _by_sample(streams, augment, _generators(seeds, device))


def augment_labelled(
    batch: LabelledBatch, augment: Sequence[Augmentation], seeds: Sequence[int], seed: int
) -> LabelledBatch:
    """Augment a batch with its targets, in the order of the recipe.

    Some augmentations take one sample at a time, others the whole batch.

    Args:
        batch: On the device of the random numbers.
        augment: Of both forms, applied in order.
        seeds: One for each sample.
        seed: For the augmentations that take the whole batch.
    """
    device = batch.y_true.device
    generators, whole = _generators(seeds, device), torch.Generator(device).manual_seed(seed)
    for takes_all, group in groupby(augment, takes_batch):
        if takes_all:
            for change in group:
                batch = _changed(change, batch, whole)
        else:
            batch = replace(batch, streams=_by_sample(batch.streams, tuple(group), generators))
    return batch


def _changed(change: Augmentation, batch: LabelledBatch, generator: torch.Generator) -> LabelledBatch:
    changed = change(batch, generator)
    if not isinstance(changed, LabelledBatch):
        raise EchokitError(
            f"the augmentation {type(change).__name__} returned {type(changed).__name__}, not a LabelledBatch",
            hint="return dataclasses.replace(batch, streams=...)",
            where="augment",
            code="plugin.wrong_result",
        )
    return changed


def _generators(seeds: Sequence[int], device: torch.device) -> list[torch.Generator]:
    return [torch.Generator(device).manual_seed(seed) for seed in seeds]


def _by_sample(
    streams: Mapping[str, Tensor], augment: Sequence[Augmentation], generators: Sequence[torch.Generator]
) -> dict[str, Tensor]:
    samples = []
    for index, generator in enumerate(generators):
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
