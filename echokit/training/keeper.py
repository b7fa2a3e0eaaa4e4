"""Keeper: what is written while a phase goes on, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from echokit.training.keep import Rule, kept_epoch
from echokit.training.parts import head_state
from echokit.training.phases import Phase, current_phase, is_done
from echokit.training.progress import FoldFiles, Progress
from echokit.training.step import Step


@dataclass
class Keeper:
    """Writes the best weights, the position and the history of one phase.

    A phase on clips is written after every epoch. An epoch on features takes milliseconds, less than writing it: such
    a phase is written at its end, or when it is stopped; a kill costs at most what it computed.

    Attributes:
        files: Where to.
        step: Holds the model and the optimizer.
        plan: All phases.
        phase: This one.
        rule: Which epoch is kept.
        untouched: Hash of the backbone while nothing has trained it; the position then needs the head alone.
        untrained: The same where no phase will ever train it; the kept weights then need the head alone.
    """

    files: FoldFiles
    step: Step
    plan: Sequence[Phase]
    phase: Phase
    rule: Rule
    untouched: str | None
    untrained: str | None
    _best: tuple[Mapping[str, Tensor], Mapping[str, Any]] | None = None

    def epoch(self, progress: Progress, record: Mapping[str, Any]) -> None:
        """Take note of an epoch that was done.

        Args:
            progress: The position after it.
            record: Its record, the last of the history.
        """
        done = current_phase(self.plan, progress.history) is None
        kept = kept_epoch(self.rule, progress.history)
        if kept.epoch == record["epoch"] and (done or self.rule != "last"):
            with self.step.averaged():
                self._best = (self._weights(), record)
                if not self.phase.head_only:
                    self._write_best()
        if self.phase.head_only and not is_done(self.phase, progress.history):
            return
        self._write_best()
        if not done:
            self._write_last(progress)
        self.files.write_history(progress.history)

    def stop(self, progress: Progress) -> None:
        """Write everything, so that the training can go on from here."""
        self._write_best()
        self._write_last(progress)

    def _weights(self) -> Mapping[str, Tensor]:
        head = head_state(self.step.model)
        if not self.phase.head_only:
            return self.step.model.state_dict()  # written at once
        copied = {name: tensor.detach().clone() for name, tensor in head.items()}
        return copied if self.untrained else {**self.step.model.state_dict(), **copied}

    def _write_best(self) -> None:
        if self._best is not None:
            self.files.save_best(*self._best, self.untrained)
            self._best = None

    def _write_last(self, progress: Progress) -> None:
        self.files.save_last(self.step, progress, self.phase.name, self.untouched)
