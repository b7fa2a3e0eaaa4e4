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
from echokit.plugins.discovery import installed

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
    if problem := batch_problem(batch, changed):
        raise _wrong_result(change, problem, "return dataclasses.replace(batch, streams=...)")
    return changed  # type: ignore[no-any-return]


def batch_problem(batch: LabelledBatch, changed: object) -> str | None:
    """Describe what is wrong with a batch that an augmentation returned.

    None if nothing is.
    """
    if not isinstance(changed, LabelledBatch):
        return f"it returned {type(changed).__name__}, not a LabelledBatch"
    if problem := streams_problem(batch.streams, changed.streams):
        return problem
    for name, before, after in (
        ("y_true", batch.y_true, changed.y_true),
        ("value", batch.value, changed.value),
    ):
        if not isinstance(after, Tensor) or after.shape != before.shape or after.dtype != before.dtype:
            return f"{name} is no longer {tuple(before.shape)} {before.dtype}"
    if isinstance(changed.share, Tensor | bool) or not isinstance(changed.share, float | int):
        return "share is not one number for the whole batch"
    if not 0 <= changed.share <= 1:
        return f"share is {changed.share}, not from 0 to 1"
    if (partner := changed.partner) is None:
        return None
    size = len(batch.y_true)
    if not isinstance(partner, Tensor) or partner.shape != (size,) or partner.dtype != torch.int64:
        return f"partner is not ({size},) int64"
    low, high = torch.aminmax(partner)
    return None if low >= 0 and high < size else f"partner names the positions {int(low)} to {int(high)} of {size}"


def streams_problem(before: Mapping[str, Tensor], after: object) -> str | None:
    """Describe how streams differ in names, shapes or dtypes; None if they do not."""
    if not isinstance(after, Mapping) or set(after) != set(before):
        return f"it returned other streams than {', '.join(sorted(before))}"
    for name, stream in before.items():
        other = after[name]
        if not isinstance(other, Tensor) or other.shape != stream.shape or other.dtype != stream.dtype:
            got = f"{tuple(other.shape)} {other.dtype}" if isinstance(other, Tensor) else type(other).__name__
            return f"{name} was {tuple(stream.shape)} {stream.dtype} and is {got}"
    return None


def _wrong_result(change: Augmentation, problem: str, hint: str) -> EchokitError:
    name = installed().registry.name_of_instance("augmentation", change)
    return EchokitError(
        f"the augmentation {name!r} cannot be used: {problem}", hint=hint, where="augment", code="plugin.wrong_result"
    )


def _generators(seeds: Sequence[int], device: torch.device) -> list[torch.Generator]:
    return [torch.Generator(device).manual_seed(seed) for seed in seeds]


def _by_sample(
    streams: Mapping[str, Tensor], augment: Sequence[Augmentation], generators: Sequence[torch.Generator]
) -> dict[str, Tensor]:
    samples = []
    for index, generator in enumerate(generators):
        sample = {name: stream[index : index + 1] for name, stream in streams.items()}
        for change in augment:
            changed = change(sample, generator)
            if problem := streams_problem(sample, changed):
                raise _wrong_result(change, problem, "return the same streams with the same shapes and dtypes")
            sample = changed
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
