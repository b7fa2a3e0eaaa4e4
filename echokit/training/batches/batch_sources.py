"""The samples of an epoch: read from clips or, if the backbone is frozen, from its features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from echokit.data.clips.prepared_clips import PreparedClips
from echokit.data.cohort.cohort import Fold
from echokit.data.sampling.windows import Windows
from echokit.training.batches.batches import Batch, Integers, read_batches, select_cases
from echokit.training.batches.features import FeatureSamples
from echokit.training.batches.gpu_clips import ResidentClips, bytes_of, fits, free_bytes, make_resident
from echokit.training.callback import TrainingCallback

Sampler = Callable[[Integers, str, int, int], Windows]


class Samples(Protocol):
    """The training or validation samples of an epoch."""

    @property
    def case(self) -> Integers:
        """(n,) int64 case of each sample."""
        ...

    def batches(self, parts: Sequence[Integers]) -> Iterator[Batch]:
        """Yield batches of samples, on the device.

        Args:
            parts: For each batch, (B,) int64 positions of samples.
        """
        ...


class Source(Protocol):
    """Gives the samples of every epoch."""

    def train(self, epoch: int) -> Samples:
        """Return the training samples."""
        ...

    def val(self, epoch: int) -> Samples:
        """Return the validation samples."""
        ...


@dataclass(frozen=True)
class ClipSamples:
    """Samples of prepared clips, read from disk or gathered in GPU memory."""

    clips: PreparedClips
    windows: Windows
    device: torch.device
    resident: ResidentClips | None = None

    @property
    def case(self) -> Integers:
        """(n,) int64 case of each sample."""
        return self.windows.case

    def batches(self, parts: Sequence[Integers]) -> Iterator[Batch]:
        """Yield batches, read ahead; see `Samples`."""
        if self.resident is not None:
            return self.resident.batches(self.windows, parts)
        return read_batches(self.clips, self.windows, parts, self.device)


@dataclass(frozen=True)
class ValidationOutputs:
    """The outputs of the whole model for the validation windows, after one epoch.

    Attributes:
        windows: The windows.
        outputs: (n, outputs) float32 on the CPU.
    """

    windows: Windows
    outputs: Tensor


@dataclass
class ClipSource:
    """Clips of one fold, with new windows in every epoch.

    On a GPU, all of them move into its memory after the first epoch, if that left enough free.

    Attributes:
        clips: Clips of the whole cohort.
        sampler: Gives the windows of an epoch.
        fold: The fold.
        seed: Seed of the run.
        device: Device of the batches.
        callback: Notified when the clips have moved.
    """

    clips: PreparedClips
    sampler: Sampler
    fold: Fold
    seed: int
    device: torch.device
    callback: TrainingCallback
    _first_epoch: int | None = None
    _resident: ResidentClips | None = None

    def train(self, epoch: int) -> ClipSamples:
        """Return windows of the training cases."""
        if self._first_epoch is None:
            self._first_epoch = epoch
            if self.device.type == "cuda":
                torch.cuda.empty_cache()  # torch may still hold the clips of the fold before
        if epoch == self._first_epoch + 1 and self.device.type == "cuda" and self._resident is None:
            self._move_to_device()
        return self._samples("train", epoch, self.fold.train)

    def val(self, epoch: int) -> ClipSamples:
        """Return windows of the validation cases."""
        return self._samples("val", epoch, self.fold.val)

    def _move_to_device(self) -> None:
        cases = np.unique(np.concatenate([self.fold.train, self.fold.val]))
        size = bytes_of(self.clips, cases)
        if fits(self.clips, cases, free_bytes(self.device)):
            self._resident = make_resident(self.clips, cases, self.device)
            self.callback.on_warning(
                f"all {len(cases)} clips of the fold ({size / 1e9:.1f} GB) are now in the GPU's memory"
            )

    def windows(self, split: str, epoch: int, cases: Integers) -> Windows:
        """Return the windows of some cases."""
        return select_cases(self.sampler(self.clips.lengths, split, epoch, self.seed), cases)

    def _samples(self, split: str, epoch: int, cases: Integers) -> ClipSamples:
        return ClipSamples(self.clips, self.windows(split, epoch, cases), self.device, self._resident)


@dataclass(frozen=True)
class FeatureSource:
    """Features of one fold, in fixed copies that the epochs use in turn.

    Attributes:
        copies: The training samples, one entry for each copy.
        validation: The validation samples.
    """

    copies: tuple[FeatureSamples, ...]
    validation: FeatureSamples

    def train(self, epoch: int) -> FeatureSamples:
        """Return the copy of this epoch."""
        return self.copies[(epoch - 1) % len(self.copies)]

    def val(self, epoch: int) -> FeatureSamples:
        """Return the validation samples, the same in every epoch."""
        return self.validation
