"""Features of a frozen backbone: computed once, and stored on disk by content.

A frozen backbone gives the same features in every epoch and every fold. So they are computed once for each window
(augmented ones in a number of fixed copies), and a head then trains in a fraction of a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from echokit.data.clips.prepared_clips import PreparedClips
from echokit.data.sampling.windows import Windows
from echokit.errors import EchokitError
from echokit.models.weights.weight_files import load_weights, save_tensors
from echokit.system.hashing import digest
from echokit.training.batches.augment import Augmentation, augment_batch, occurrences, seed_of
from echokit.training.batches.batches import Batch, Integers, batches
from echokit.training.hardware.device import Compute, reproducible
from echokit.training.model_parts import evaluating, in_part

FORMAT = 2
"""Increased when the same key would mean other features."""


class Encoder(Protocol):
    """A model in two parts, as `echokit.models.echo_model.EchoModel` is."""

    def encode(self, streams: Mapping[str, Tensor], valid: Mapping[str, Tensor]) -> Tensor:
        """Compute (B, features)."""
        ...

    def answer(self, features: Tensor) -> Tensor:
        """Compute (B, outputs) from (B, features)."""
        ...


@dataclass(frozen=True)
class FeatureCache:
    """Folder of features, and what they depend on beside weights, clips and windows.

    Attributes:
        folder: Folder of the files; None stores nothing.
        identity: Identifies the code: backbone, fusion and augmentations with their parameters.
        cases: (n,) int64 cases whose features are computed at a time: those of all folds, which then share them;
            None for each fold's own.
    """

    folder: Path | None
    identity: str
    cases: Integers | None = None


@dataclass(frozen=True)
class FeatureSamples:
    """Samples with their features.

    Attributes:
        case: (n,) int64 case of each.
        values: (n, features) float32 on the device.
    """

    case: Integers
    values: Tensor

    def batches(self, parts: Sequence[Integers]) -> Iterator[Batch]:
        """Yield batches; see `echokit.training.batches.batch_sources.Samples`."""
        for part in parts:
            yield Batch({"features": self.values[torch.from_numpy(part).to(self.values.device)]}, {}, self.case[part])


def backbone_hash(model: nn.Module) -> str:
    """Hash names, shapes and bits of a model without its head."""
    hashed = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        if not in_part(name, "head"):
            plain = tensor.detach().cpu().contiguous()
            hashed.update(f"{name} {plain.dtype} {tuple(plain.shape)}\0".encode())
            hashed.update(plain.reshape(-1).view(torch.uint8).numpy().data if plain.numel() else b"")
    return hashed.hexdigest()


@dataclass(frozen=True)
class FeatureJob:
    """Windows to send through a frozen backbone.

    Attributes:
        clips: Clips of the whole cohort.
        windows: The windows.
        batch_size: Windows at a time.
        augment: Applied to every window with a generator that follows from (seed, copy, case) alone.
        seed: Seed of the augmentation.
        copy: Number of the augmented copy; without augmentation it changes nothing.
    """

    clips: PreparedClips
    windows: Windows
    batch_size: int
    augment: Sequence[Augmentation] = ()
    seed: int = 0
    copy: int = 0


def compute_features(
    model: nn.Module, job: FeatureJob, *, backbone: str, cache: FeatureCache, compute: Compute
) -> npt.NDArray[np.float32]:
    """Compute features (n, features) float32 of windows, or read them from the cache.

    Args:
        model: An `Encoder` on the device; its modes are restored.
        job: The windows.
        backbone: From `backbone_hash`: many calls share one.
        cache: Where to look first, and to store the result.
        compute: Device and precision.
    """
    windows = job.windows
    if not len(windows):
        return np.zeros((0, 0), np.float32)
    key = digest(
        {
            "format": FORMAT,
            "backbone": backbone,
            "code": cache.identity,
            "clips": [job.clips.identity(int(case)) for case in windows.case],
            "windows": hashlib.blake2b(windows.frames.astype("<i8").tobytes(), digest_size=16).hexdigest(),
            "augmented": [job.seed, job.copy, windows.case.tolist()] if job.augment else None,
            "computed": [compute.device.type, str(compute.precision.dtype), str(torch.__version__)],
        }
    )
    path = cache.folder / key[:2] / f"{key}.safetensors" if cache.folder is not None else None
    if path is not None and path.is_file():
        try:
            tensors, metadata = load_weights(path)
            if metadata["key"] == key:
                return tensors["features"].numpy()
        except (EchokitError, KeyError):
            pass
        path.unlink(missing_ok=True)  # damaged, or another file in its place: computed again
    values = torch.cat(list(_encode(model, job, compute)))
    if path is not None:
        save_tensors(path, {"features": values}, {"key": key})
    return values.numpy()


def _encode(model: nn.Module, job: FeatureJob, compute: Compute) -> Iterator[Tensor]:
    encoder: Encoder = model  # type: ignore[assignment]
    windows, device = job.windows, compute.device
    nth_window = occurrences(windows.case)
    done = 0
    with evaluating(model):
        for batch in batches(job.clips, windows, np.arange(len(windows)), job.batch_size, device):
            streams = batch.streams
            if job.augment:
                keys = zip(batch.rows, nth_window[done : done + len(batch.rows)], strict=True)
                seeds = [seed_of(job.seed, job.copy, int(case), int(nth)) for case, nth in keys]
                streams = augment_batch(streams, job.augment, seeds, device)
            with reproducible(device, True), torch.no_grad(), compute.precision.context(device):
                features = encoder.encode(streams, batch.valid)
            done += len(batch.rows)
            yield features.float().cpu()
