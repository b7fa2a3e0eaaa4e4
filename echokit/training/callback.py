"""Callbacks: they follow a training, and those that a recipe names may end it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from echokit.plugins.hookspecs import RunView

Record = Mapping[str, object]


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


@dataclass(frozen=True, slots=True)
class Stop:
    """The answer of a callback that ends the training of a fold.

    Attributes:
        reason: Why, in a few words with the numbers; it is written to the history and the summary.
    """

    reason: str


class Callback:
    """Base of the callbacks that a recipe names; override what you need.

    A callback lives in the main process of a run. One that may stop a training is part of the recipe hash. It has a
    copy of its own for each fold, made after ``on_run_start``: what it remembers of one fold cannot change another.
    When a run is resumed, that copy hears of the earlier epochs again, so that it knows what it knew; its answers to
    them are not used.

    Attributes:
        only_watches: Whether it never stops a training. Then it is not part of the recipe hash, one object hears of
            all folds, and after a resume it hears of new epochs only.
    """

    only_watches: ClassVar[bool] = False

    def check(self) -> None:
        """Raise an `EchokitError` if it cannot work here; called before the data are read."""

    def on_run_start(self, run: RunView) -> None:
        """Follow the start of a run: its lock is written, nothing is trained yet."""

    def on_fold_start(self, fold: int, history: Sequence[Record]) -> None:
        """Follow the start of a fold.

        Args:
            fold: Its number.
            history: The records of the epochs that it has already; empty unless the run is resumed.
        """

    def on_step_end(self, progress: StepProgress) -> Stop | None:
        """Follow an optimizer step.

        After a ``Stop``, the rest of the epoch is not trained; the fold is validated once more and ends.

        Args:
            progress: ``epoch`` of ``epochs``, ``step`` of ``steps``, both from 1; ``loss``, the mean of the epoch so
                far; ``clips_per_second``.
        """
        return None

    def on_epoch_end(self, record: Record) -> Stop | None:
        """Follow an epoch; with a ``Stop``, it is the last one of the fold.

        Args:
            record: Its line of ``history.jsonl``: fold, epoch, phase, losses, accuracies, AUROC. The values of the
                validation are None where there is no validation set; an AUROC also where it has one class only.
        """
        return None

    def on_fold_end(self, fold: int, history: Sequence[Record]) -> None:
        """Follow the end of a fold's training.

        Args:
            fold: Its number.
            history: The records of all its epochs.
        """

    def on_run_end(self, run: RunView, error: BaseException | None) -> None:
        """Follow the end of a run: finished, failed or interrupted.

        Args:
            run: The run; ``run.complete`` says whether its results exist.
            error: The exception that ended it early, or None.
        """


def only_watches(callback: type[object]) -> bool:
    """Return whether a class of callbacks never stops a training."""
    return bool(getattr(callback, "only_watches", False))


class TrainingCallback(Protocol):
    """What a training calls."""

    def on_fold_start(self, fold: int, history: Sequence[Record]) -> None:
        """The training of a fold begins, or continues after the epochs of ``history``."""
        ...

    def on_step_end(self, progress: StepProgress) -> Stop | None:
        """An optimizer step has ended; should the training end here?"""
        ...

    def judge_epoch(self, record: Record) -> Stop | None:
        """An epoch has ended and is not written yet; should it be the last one?"""
        ...

    def on_epoch_end(self, record: Record) -> None:
        """An epoch has ended, and its ``record`` is in ``history.jsonl``."""
        ...

    def on_fold_end(self, fold: int, history: Sequence[Record]) -> None:
        """The training of a fold has ended."""
        ...

    def on_warning(self, message: str) -> None:
        """The user should know this; it is not an error."""
        ...


class Audience(Protocol):
    """What the caller of a run may pass, such as a progress bar."""

    def on_step_end(self, progress: StepProgress) -> None:
        """An optimizer step has ended."""
        ...

    def on_epoch_end(self, record: Record) -> None:
        """An epoch has ended; ``record`` is its line of ``history.jsonl``."""
        ...

    def on_warning(self, message: str) -> None:
        """The user should know this; it is not an error."""
        ...


class NoCallback:
    """A callback of a training that does nothing."""

    def on_fold_start(self, fold: int, history: Sequence[Record]) -> None:
        """Do nothing."""

    def on_step_end(self, progress: StepProgress) -> None:
        """Do nothing."""

    def judge_epoch(self, record: Record) -> None:
        """Do nothing."""

    def on_epoch_end(self, record: Record) -> None:
        """Do nothing."""

    def on_fold_end(self, fold: int, history: Sequence[Record]) -> None:
        """Do nothing."""

    def on_warning(self, message: str) -> None:
        """Do nothing."""
