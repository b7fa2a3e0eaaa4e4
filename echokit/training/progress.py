"""Where a training is, and how that is kept on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from echokit.errors import EchokitError
from echokit.training.checkpoint import (
    MODEL,
    OPTIMIZER,
    damaged,
    find_checkpoint,
    load_state,
    load_tensors,
    remove_checkpoint,
    save_checkpoint,
    write_text,
)
from echokit.training.optimizer import restore_state, state_tensors
from echokit.training.step import Step
from echokit.training.watch import Watch

LAST, BEST, HISTORY = "last", "best", "history.jsonl"


@dataclass
class Progress:
    """What a resume needs beside weights and optimizer; the random state of a step follows from its number.

    Attributes:
        epoch: Number of the epoch under way, from 1; one more than the epochs once all are done.
        step: Its steps that are done.
        loss, weight, correct, seen: Sums over these steps.
        seconds: Time spent on this epoch.
        history: The records of the epochs before.
    """

    epoch: int = 1
    step: int = 0
    loss: float = 0.0
    weight: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    def next_epoch(self, record: dict[str, Any]) -> Progress:
        """The start of the epoch after the one that ``record`` tells of."""
        return Progress(epoch=self.epoch + 1, history=[*self.history, record])


@dataclass(frozen=True)
class FoldFiles:
    """The files of one fold: ``last/``, ``best/`` and ``history.jsonl``.

    Attributes:
        directory: Where they live.
        identity: What makes this training this one, as JSON; a resume with another identity is refused.
        metadata: Embedded in the weights.
        computed: What the bits depend on beside: device, number format, threads, torch.
    """

    directory: Path
    identity: Mapping[str, Any]
    metadata: Mapping[str, Any]
    computed: Mapping[str, Any]

    def require_empty(self) -> None:
        """Refuse to overwrite an earlier training.

        Raises:
            EchokitError: There is one.
        """
        if self.best() or find_checkpoint(self.directory, LAST) or (self.directory / HISTORY).exists():
            raise EchokitError(
                "this fold was trained before, wholly or in part",
                hint="resume it with --resume, or choose another directory",
                where=str(self.directory),
            )

    def save_last(self, step: Step, progress: Progress) -> None:
        """Keep the exact position of the training."""
        optimizer = state_tensors(step.optimizer, step.parameters)
        state = {
            **asdict(progress),
            "scaler": step.scaler.state_dict(),
            "identity": dict(self.identity),
            "computed": dict(self.computed),
        }
        save_checkpoint(
            self.directory, LAST, model=step.model, state=state, metadata=self.metadata, optimizer=optimizer
        )

    def save_best(self, step: Step, record: Mapping[str, Any]) -> None:
        """Keep the weights of an epoch for the predictions."""
        state = {"record": dict(record), "identity": dict(self.identity), "metadata": dict(self.metadata)}
        save_checkpoint(self.directory, BEST, model=step.model, state=state, metadata=self.metadata)

    def write_history(self, history: list[dict[str, Any]]) -> None:
        """Write one line an epoch, the whole file at once, so that no line is ever doubled or halved."""
        write_text(self.directory / HISTORY, "".join(json.dumps(r, allow_nan=False) + "\n" for r in history))

    def finish(self) -> None:
        """Remove what only a resume would need."""
        remove_checkpoint(self.directory, LAST)

    def best(self) -> Path | None:
        """The checkpoint of the kept epoch, if there is one yet."""
        return find_checkpoint(self.directory, BEST)

    def resume(self, step: Step, epochs: int, watch: Watch) -> Progress:
        """Restore the position of the training; of a finished one, only its history.

        Raises:
            EchokitError: The checkpoint is damaged, or was made by another training.
        """
        if best := self.best():
            self._require_same(best, load_state(best))
        if best and (finished := self._finished(epochs)):
            return Progress(epoch=epochs + 1, history=finished)
        checkpoint = find_checkpoint(self.directory, LAST)
        if checkpoint is None:
            return Progress()
        state = load_state(checkpoint)
        self._require_same(checkpoint, state)
        try:
            step.model.load_state_dict(load_tensors(checkpoint, MODEL))
            restore_state(step.optimizer, step.parameters, load_tensors(checkpoint, OPTIMIZER))
            step.scaler.load_state_dict(state["scaler"])
            progress = Progress(**{name: state[name] for name in Progress.__dataclass_fields__})
            changed = [k for k, v in self.computed.items() if state["computed"].get(k) != v]
        except (KeyError, RuntimeError) as error:  # RuntimeError: load_state_dict names what does not fit
            raise damaged(checkpoint, str(error)) from error
        if changed:
            watch.note(f"resumed with another {' and '.join(changed)}: the last bits of a result can differ")
        return progress

    def load_best(self, step: Step, epoch: int) -> Path:
        """Put the kept weights into the model.

        Raises:
            EchokitError: They are damaged, or of another epoch.
        """
        checkpoint = self.best()
        if checkpoint is None:
            raise damaged(self.directory / BEST, "it is missing")
        state = load_state(checkpoint)
        self._require_same(checkpoint, state)
        if state["record"]["epoch"] != epoch:
            raise damaged(checkpoint, f"it holds epoch {state['record']['epoch']}, and epoch {epoch} was to be kept")
        try:
            step.model.load_state_dict(load_tensors(checkpoint, MODEL))
        except RuntimeError as error:
            raise damaged(checkpoint, str(error)) from error
        return checkpoint

    def _finished(self, epochs: int) -> list[dict[str, Any]]:
        """The history of a training that was done to its end; else empty."""
        path = self.directory / HISTORY
        try:
            history = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise EchokitError(f"the history is damaged: {error}", where=str(path)) from error
        return history if len(history) == epochs else []

    def _require_same(self, checkpoint: Path, state: Mapping[str, Any]) -> None:
        made_by = state.get("identity")
        if made_by == self.identity:
            return
        if not isinstance(made_by, dict):
            raise damaged(checkpoint, "it does not say which training made it")
        keys = [k for k in {**made_by, **self.identity} if made_by.get(k) != self.identity.get(k)]
        raise EchokitError(
            f"the checkpoint was made by another training: {', '.join(keys)} differ",
            hint="resume with the recipe and data that it was started with, or choose another directory",
            where=str(checkpoint),
        )
