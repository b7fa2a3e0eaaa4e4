"""Features of a frozen backbone: computed once, kept on disk by content, and all that a head needs to learn.

A backbone that does not learn gives the same features in every epoch and every fold. So they are computed once
for each window (augmented ones in a number of fixed copies), and a head then trains in a fraction of a second.
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

from echokit.errors import EchokitError
from echokit.fingerprint import digest
from echokit.models.weights import load_weights, save_tensors
from echokit.sampling.windows import Windows
from echokit.training.augmented import Augmentation, augmented, occurrences, seed_of
from echokit.training.data import Batch, Integers, PreparedClips, batches
from echokit.training.device import Precision, reproducible
from echokit.training.parts import evaluating, in_part

FORMAT = 1
"""Raised when the same key would mean other features."""


class Encoder(Protocol):
    """A model in two parts, as `echokit.models.echo_model.EchoModel` is."""

    def encode(self, streams: Mapping[str, Tensor], valid: Mapping[str, Tensor]) -> Tensor:
        """Give (B, features)."""
        ...

    def answer(self, features: Tensor) -> Tensor:
        """(B, features) to (B, outputs)."""
        ...


@dataclass(frozen=True)
class FeatureCache:
    """Where features are kept, and what they depend on beside weights, clips and windows.

    Attributes:
        folder: Of the files; None keeps nothing.
        identity: Of the code that computes: backbone, fusion and augmentations with their parameters.
        together: (n,) int64 cases whose features are computed at a time: those of all folds, so that the folds share
            them; None for each fold's own.
    """

    folder: Path | None
    identity: str
    together: Integers | None = None


@dataclass(frozen=True)
class FeatureSamples:
    """Samples whose features are known.

    Attributes:
        case: (n,) int64 case of each.
        values: (n, features) float32 on the device.
    """

    case: Integers
    values: Tensor

    def batches(self, parts: Sequence[Integers]) -> Iterator[Batch]:
        """Batches; see `echokit.training.samples.Samples`."""
        for part in parts:
            yield Batch({"features": self.values[torch.from_numpy(part).to(self.values.device)]}, {}, self.case[part])


def backbone_hash(model: nn.Module) -> str:
    """Hash everything of a model but its head: names, shapes and bits, normalisation included."""
    hashed = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        if not in_part(name, "head"):
            plain = tensor.detach().cpu().contiguous()
            hashed.update(f"{name} {plain.dtype} {tuple(plain.shape)}\0".encode())
            hashed.update(plain.reshape(-1).view(torch.uint8).numpy().data if plain.numel() else b"")
    return hashed.hexdigest()


def compute_features(
    model: nn.Module,
    clips: PreparedClips,
    windows: Windows,
    *,
    backbone: str,
    cache: FeatureCache,
    device: torch.device,
    precision: Precision,
    batch_size: int,
    augment: Sequence[Augmentation] = (),
    seed: int = 0,
    copy: int = 0,
) -> npt.NDArray[np.float32]:
    """Features (n, features) float32 of windows, from the cache where they were computed before.

    Args:
        model: An `Encoder` on ``device``; its modes are put back.
        clips: Where windows are read.
        windows: What features are made of.
        backbone: From `backbone_hash`: many calls share one.
        cache: Where to look first, and to keep the answer.
        device: Where the model is.
        precision: Number format of the forward pass.
        batch_size: Windows at a time.
        augment: Applied to every window with a generator that follows from (seed, copy, case) alone.
        seed: Of the augmentation.
        copy: Number of the augmented copy; without augmentation it changes nothing.
    """
    if not len(windows):
        return np.zeros((0, 0), np.float32)
    key = digest(
        {
            "format": FORMAT,
            "backbone": backbone,
            "code": cache.identity,
            "clips": [clips.identity(int(case)) for case in windows.case],
            "windows": hashlib.blake2b(windows.frames.astype("<i8").tobytes(), digest_size=16).hexdigest(),
            "augmented": [seed, copy, windows.case.tolist()] if augment else None,
            "computed": [device.type, str(precision.dtype), str(torch.__version__)],
        }
    )
    path = cache.folder / key[:2] / f"{key}.safetensors" if cache.folder is not None else None
    if path is not None and path.is_file():
        try:
            return load_weights(path)[0]["features"].numpy()
        except (EchokitError, KeyError):  # damaged: it is made again
            path.unlink(missing_ok=True)
    chunks = _encoded(model, clips, windows, device, precision, batch_size, augment, (seed, copy))
    values = torch.cat(list(chunks))
    if path is not None:
        save_tensors(path, {"features": values}, {})
    return values.numpy()


def _encoded(
    model: nn.Module,
    clips: PreparedClips,
    windows: Windows,
    device: torch.device,
    precision: Precision,
    batch_size: int,
    augment: Sequence[Augmentation],
    key: tuple[int, int],
) -> Iterator[Tensor]:
    encoder: Encoder = model  # type: ignore[assignment]
    nth_window = occurrences(windows.case)
    done = 0
    with evaluating(model):
        for batch in batches(clips, windows, np.arange(len(windows)), batch_size, device):
            streams = batch.streams
            if augment:
                part = slice(done, done + len(batch.rows))
                own = zip(batch.rows, nth_window[part], strict=True)
                streams = augmented(streams, augment, [seed_of(*key, int(case), int(nth)) for case, nth in own], device)
            with reproducible(device, True), torch.no_grad(), precision.context(device):
                features = encoder.encode(streams, batch.valid)
            done += len(batch.rows)
            yield features.float().cpu()
