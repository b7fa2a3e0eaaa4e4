"""The position of a step in its phase: all that a learning rate may depend on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from echokit.errors import EchokitError


@dataclass(frozen=True, slots=True)
class SchedulePosition:
    """The position of a step in its phase: all that a learning rate may depend on.

    Attributes:
        epoch: Number of finished epochs of the phase.
        epochs: Largest number of epochs.
        step: Number of finished steps of the present epoch.
        steps: Steps of an epoch.
        losses: Validation losses of the finished epochs; None without a validation set.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    losses: Sequence[float | None] = ()

    @property
    def done(self) -> float:
        """Fraction of the phase that is done, from 0 to 1."""
        return (self.epoch + self.step / self.steps) / self.epochs

    @property
    def validation_losses(self) -> tuple[float, ...]:
        """Validation losses of the finished epochs.

        Raises:
            EchokitError: The fold has no validation set.
        """
        losses = tuple(loss for loss in self.losses if loss is not None)
        if len(losses) < len(self.losses):
            raise EchokitError(
                "this schedule follows the validation loss, and the fold has no validation set",
                hint="use another schedule, or give the resampler a validation set (val: 0.2)",
                where="train.schedule",
                code="train.no_validation",
            )
        return losses
