"""Checks of an augmentation, on the device.

It is called as (streams, generator) -> streams, or as (batch, generator) -> batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from echokit.data.sampling.labelled_batch import LabelledBatch, takes_batch
from echokit.testing.case import Skip, Subject, require

if TYPE_CHECKING:
    from torch import Tensor

Streams = Mapping[str, "Tensor"]


def _batches() -> dict[str, dict[str, Tensor]]:
    import torch

    generator = torch.Generator().manual_seed(3)

    def video(batch: int, frames: int, height: int = 16, width: int = 20) -> Tensor:
        return torch.rand((batch, 1, frames, height, width), generator=generator) * 255

    def flow(batch: int, frames: int, height: int = 16, width: int = 20) -> Tensor:
        return torch.randn((batch, 2, frames, height, width), generator=generator)

    return {
        "usual": {"video": video(3, 6), "flow": flow(3, 5)},
        "one clip": {"video": video(1, 6), "flow": flow(1, 5)},
        "video alone": {"video": video(2, 6)},
        "odd": {"video": video(2, 5, 15, 13), "flow": flow(2, 4, 15, 13)},
        "one frame": {"video": video(2, 1)},
        "black": {"video": torch.zeros(2, 1, 6, 16, 20)},
    }


def _apply(subject: Subject, streams: dict[str, Tensor], seed: int = 1) -> dict[str, Tensor]:
    import torch

    augmentation, generator = subject.make(), torch.Generator().manual_seed(seed)
    if not takes_batch(augmentation):
        augmented: dict[str, Tensor] = augmentation(streams, generator)
        return augmented
    size = len(next(iter(streams.values())))
    batch = LabelledBatch(streams, torch.arange(size) % 2, 60 - 20.0 * (torch.arange(size) % 2))
    targets = batch.y_true.clone(), batch.value.clone()
    result = augmentation(batch, generator)
    require(isinstance(result, LabelledBatch), f"it gives {type(result).__name__}, not a LabelledBatch")
    unchanged = torch.equal(batch.y_true, targets[0]) and torch.equal(batch.value, targets[1])
    require(unchanged, "it modified the targets in place")
    require(len(result.y_true) == len(result.value) == size, "it gives another number of targets than samples")
    require(0 <= result.share <= 1, f"the share is {result.share}, not between 0 and 1")
    if result.partner is not None:
        fits = result.partner.shape == (size,) and bool(((result.partner >= 0) & (result.partner < size)).all())
        require(fits, "partner does not have one position of the batch for each sample")
    return dict(result.streams)


def check_keeps_streams_shapes_and_dtypes(subject: Subject) -> None:
    """The same streams, with the same shapes and dtypes, and only finite values."""
    for name, streams in _batches().items():
        augmented = _apply(subject, dict(streams))
        require(set(augmented) == set(streams), f"{name}: it gives the streams {', '.join(sorted(augmented))}")
        for stream, before in streams.items():
            after = augmented[stream]
            require(
                after.shape == before.shape and after.dtype == before.dtype,
                f"{name}: {stream} was {tuple(before.shape)} {before.dtype} and is {tuple(after.shape)} {after.dtype}",
            )
            require(bool(after.isfinite().all()), f"{name}: {stream} has values that are not finite")


def check_keeps_samples_apart(subject: Subject) -> None:
    """A sample does not depend on the others; one that mixes takes ``batch``."""
    import torch

    if takes_batch(subject.make()):
        raise Skip("it takes the whole batch")
    streams = _batches()["usual"]
    others = {name: torch.cat([stream[:1], stream[1:].flip(0)]) for name, stream in streams.items()}
    first, second = _apply(subject, dict(streams)), _apply(subject, others)
    for stream in streams:
        require(
            torch.equal(first[stream][0], second[stream][0]),
            f"{stream} of a sample changes with the other samples: training gives one sample at a time; to mix them, "
            "name the first parameter batch",
        )


def check_gives_the_same_for_the_same_generator(subject: Subject) -> None:
    """The same seed gives the same bits, whatever the global random state."""
    import torch

    for name, streams in _batches().items():
        first = _apply(subject, dict(streams))
        with torch.random.fork_rng(devices=[]):
            torch.rand(1)
            second = _apply(subject, dict(streams))
        for stream in streams:
            require(torch.equal(first[stream], second[stream]), f"{name}: {stream} differs")


def check_does_not_change_its_input(subject: Subject) -> None:
    """The input streams are not modified."""
    import torch

    for name, streams in _batches().items():
        original = {stream: values.clone() for stream, values in streams.items()}
        _apply(subject, streams)
        require(set(streams) == set(original), f"{name}: it changed its input mapping")
        for stream, values in original.items():
            require(torch.equal(streams[stream], values), f"{name}: it modified {stream}")
