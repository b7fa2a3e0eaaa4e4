"""Write the checkpoints of one phase, at the right times."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from echokit.training.checkpoints.epoch_selection import select_epoch
from echokit.training.checkpoints.training_state import FoldFiles, TrainingState
from echokit.training.model_parts import head_state
from echokit.training.phases import LOWER, Phase, can_be_longer, current_phase, is_done
from echokit.training.step.train_step import Step


@dataclass
class CheckpointWriter:
    """Writes the best weights, the state and the history of one phase.

    A phase on clips is written after every epoch. An epoch on features takes milliseconds, less than writing it: such
    a phase is written at its end, or when it is stopped; a kill costs at most what it computed.

    Attributes:
        files: The files of the fold.
        step: Holds the model and the optimizer.
        plan: All phases.
        phase: This one.
        rule: How the epoch is selected.
        untrained: Hash of the backbone while nothing has trained it; the state then needs the head alone.
        never_trained: The same if no phase will ever train it; the best weights then need the head alone.
        lower: The numbers of which less is better.
    """

    files: FoldFiles
    step: Step
    plan: Sequence[Phase]
    phase: Phase
    rule: str
    untrained: str | None
    never_trained: str | None
    lower: Collection[str] = LOWER
    _best: tuple[Mapping[str, Tensor], Mapping[str, Any]] | None = None

    def write_epoch(self, state: TrainingState, record: Mapping[str, Any]) -> None:
        """Write what a finished epoch needs.

        Args:
            state: The position after it.
            record: Its record, the last of the history.
        """
        done = current_phase(self.plan, state.history) is None
        selected = select_epoch(self.rule, state.history, self.lower)
        if selected.epoch == record["epoch"] and (done or self.rule != "last"):
            with self.step.averaged():
                self._best = (self._weights(), record)
                if not self.phase.head_only:
                    self._write_best()
        if self.phase.head_only and not is_done(self.phase, state.history):
            return
        self._write_best()
        if done:
            self.files.seal(state.history)
        if not done or can_be_longer(self.plan, self.step.settings, state.history):
            self._write_last(state)
        self.files.write_history(state.history)

    def write_stop(self, state: TrainingState) -> None:
        """Write everything, so that the training can continue from here."""
        self._write_best()
        self._write_last(state)

    def _weights(self) -> Mapping[str, Tensor]:
        if not self.phase.head_only:
            return self.step.model.state_dict()  # written at once
        head = {name: tensor.detach().clone() for name, tensor in head_state(self.step.model).items()}
        return head if self.never_trained else {**self.step.model.state_dict(), **head}

    def _write_best(self) -> None:
        if self._best is not None:
            self.files.save_best(*self._best, self.never_trained)
            self._best = None

    def _write_last(self, state: TrainingState) -> None:
        self.files.save_last(self.step, state, self.phase.name, self.untrained)
