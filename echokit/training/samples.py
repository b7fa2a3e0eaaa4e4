"""Samples: what an epoch is made of, read from clips or, where the backbone is frozen, from its features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from echokit.cohort.cohort import Fold
from echokit.sampling.windows import Windows
from echokit.training.augmented import Augmentation
from echokit.training.data import Batch, Integers, PreparedClips, of_cases, read_batches
from echokit.training.features import (
    FeatureCache,
    FeatureSamples,
    backbone_hash,
    compute_features,
)
from echokit.training.phases import Phase
from echokit.training.resident import ResidentClips, bytes_of, fits, free_bytes, make_resident
from echokit.training.step import Step
from echokit.training.watch import Watch

Sampler = Callable[[Integers, str, int, int], Windows]


class Samples(Protocol):
    """The samples of one part of an epoch."""

    @property
    def case(self) -> Integers:
        """(n,) int64 case of each sample."""
        ...

    def batches(self, parts: Sequence[Integers]) -> Iterator[Batch]:
        """Batches of samples, on the device.

        Args:
            parts: For each batch, (B,) int64 positions of samples.
        """
        ...


class Source(Protocol):
    """Where the samples of every epoch come from."""

    def train(self, epoch: int) -> Samples:
        """Those that are learned from."""
        ...

    def val(self, epoch: int) -> Samples:
        """Those that an epoch is judged by."""
        ...


@dataclass(frozen=True)
class ClipSamples:
    """Samples that are read from prepared clips, or gathered on the device where they are resident there."""

    clips: PreparedClips
    windows: Windows
    device: torch.device
    resident: ResidentClips | None = None

    @property
    def case(self) -> Integers:
        """(n,) int64 case of each sample."""
        return self.windows.case

    def batches(self, parts: Sequence[Integers]) -> Iterator[Batch]:
        """Batches, read ahead; see `Samples`."""
        if self.resident is not None:
            return self.resident.batches(self.windows, parts)
        return read_batches(self.clips, self.windows, parts, self.device)


@dataclass
class ClipSource:
    """Clips of one fold, windowed anew in every epoch.

    On a GPU, all of them move into its memory after the first epoch, where what that left free is enough.

    Attributes:
        clips: Of the whole cohort.
        sampler: Gives the windows of an epoch.
        fold: Whose cases these are.
        seed: Of the run.
        device: Where batches are to be.
        watch: Told when the clips have moved.
    """

    clips: PreparedClips
    sampler: Sampler
    fold: Fold
    seed: int
    device: torch.device
    watch: Watch
    _first: int | None = None
    _resident: ResidentClips | None = None

    def train(self, epoch: int) -> ClipSamples:
        """Windows of the training cases."""
        if self._first is None:
            self._first = epoch
            if self.device.type == "cuda":
                torch.cuda.empty_cache()  # the fold before may have left its clips in what torch keeps for itself
        if epoch == self._first + 1 and self.device.type == "cuda" and self._resident is None:
            self._move()
        return self._samples("train", epoch, self.fold.train)

    def val(self, epoch: int) -> ClipSamples:
        """Windows of the validation cases."""
        return self._samples("val", epoch, self.fold.val)

    def _move(self) -> None:
        cases = np.unique(np.concatenate([self.fold.train, self.fold.val]))
        size = bytes_of(self.clips, cases)
        if fits(self.clips, cases, free_bytes(self.device)):
            self._resident = make_resident(self.clips, cases, self.device)
            self.watch.note(f"all {len(cases)} clips of the fold ({size / 1e9:.1f} GB) now lie in the GPU's memory")

    def windows(self, split: str, epoch: int, cases: Integers) -> Windows:
        """The windows of some cases."""
        return of_cases(self.sampler(self.clips.lengths, split, epoch, self.seed), cases)

    def _samples(self, split: str, epoch: int, cases: Integers) -> ClipSamples:
        return ClipSamples(self.clips, self.windows(split, epoch, cases), self.device, self._resident)


@dataclass(frozen=True)
class FeatureSource:
    """Features of one fold, in fixed copies that the epochs take in turn.

    Attributes:
        copies: The training samples, once a copy.
        validation: The validation samples.
    """

    copies: tuple[FeatureSamples, ...]
    validation: FeatureSamples

    def train(self, epoch: int) -> FeatureSamples:
        """The copy whose turn it is."""
        return self.copies[(epoch - 1) % len(self.copies)]

    def val(self, epoch: int) -> FeatureSamples:
        """The same in every epoch."""
        return self.validation


def feature_source(
    step: Step,
    source: ClipSource,
    phase: Phase,
    augment: Sequence[Augmentation],
    cache: FeatureCache,
    backbone: str | None,
) -> FeatureSource:
    """Compute the features of a fold, or find them.

    Args:
        step: Holds the model, its device and number format.
        source: The clips.
        phase: How many copies.
        augment: Applied to every copy of a training sample.
        cache: Where features are kept.
        backbone: Hash of the backbone, where it is known.
    """
    settings = step.settings
    backbone = backbone or backbone_hash(step.model)

    def features(split: str, cases: Integers, copy: int, augment: Sequence[Augmentation]) -> FeatureSamples:
        epoch = max(copy, 1)
        windows = source.windows(split, epoch, cases if cache.together is None or not len(cases) else cache.together)
        values = compute_features(
            step.model,
            source.clips,
            windows,
            backbone=backbone,
            cache=cache,
            device=step.device,
            precision=step.precision,
            batch_size=settings.eval_batch_size or settings.batch_size,
            augment=augment,
            seed=source.seed,
            copy=copy,
        )
        own = np.isin(windows.case, cases)
        return FeatureSamples(windows.case[own], torch.from_numpy(values[own]).to(step.device))

    fold = source.fold
    copies = tuple(features("train", fold.train, copy, augment) for copy in range(1, phase.copies + 1))
    return FeatureSource(copies, features("val", fold.val, 0, ()))
