"""Training callbacks: progress bars, trackers, hooks and tests follow a training through them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StepProgress:
    """The position of a training after an optimizer step.

    Attributes:
        epoch: Number of the epoch, from 1 to ``epochs``.
        epochs: Epochs of this training.
        step: Number of the step in its epoch, from 1 to ``steps``.
        steps: Steps of an epoch.
        loss: Mean training loss of the epoch so far.
        clips_per_second: Speed of the epoch so far.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    clips_per_second: float


class TrainingCallback(Protocol):
    """Called during training."""

    def on_step_end(self, progress: StepProgress) -> None:
        """An optimizer step has ended."""
        ...

    def on_epoch_end(self, record: Mapping[str, object]) -> None:
        """An epoch has ended; ``record`` is its line of ``history.jsonl``."""
        ...

    def on_warning(self, message: str) -> None:
        """The user should know this; it is not an error."""
        ...


class NoCallback:
    """A callback that does nothing."""

    def on_step_end(self, progress: StepProgress) -> None:
        """Do nothing."""

    def on_epoch_end(self, record: Mapping[str, object]) -> None:
        """Do nothing."""

    def on_warning(self, message: str) -> None:
        """Do nothing."""
