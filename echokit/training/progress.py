"""Where a training is, and how that is kept on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from echokit.errors import EchokitError
from echokit.files import write_text
from echokit.training.checkpoint import (
    AVERAGE,
    MODEL,
    OPTIMIZER,
    damaged,
    find_checkpoint,
    load_state,
    load_tensors,
    remove_checkpoint,
    save_checkpoint,
)
from echokit.training.features import backbone_hash
from echokit.training.optimizer import restore_state, state_numbers, state_tensors
from echokit.training.parts import head_state, in_part
from echokit.training.phases import Phase, current_phase
from echokit.training.processes import processes
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
        lr: Learning rate of the last of them.
        seconds: Time spent on this epoch.
        history: The records of the epochs before.
    """

    epoch: int = 1
    step: int = 0
    loss: float = 0.0
    weight: float = 0.0
    correct: int = 0
    seen: int = 0
    lr: float = 0.0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    def next_epoch(self, record: dict[str, Any]) -> Progress:
        """The start of the epoch after the one that ``record`` tells of."""
        return Progress(epoch=self.epoch + 1, history=[*self.history, record])


@dataclass(frozen=True)
class Saved:
    """A position that was found on disk; its weights are in the model already.

    Attributes:
        progress: The position.
        checkpoint: Where the optimizer's state lies; None at the start and at the end of a training.
        phase: The phase that this state belongs to.
        numbers: What is no tensor in the optimizer's state.
        scaler: State of the loss scaler.
        averaged: Steps in the average of the weights.
    """

    progress: Progress
    checkpoint: Path | None = None
    phase: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    scaler: Mapping[str, Any] = field(default_factory=dict)
    averaged: int = 0

    def restore(self, step: Step) -> None:
        """Put back the optimizer and the average of the weights.

        Raises:
            EchokitError: The checkpoint is damaged.
        """
        if self.checkpoint is None:
            return
        try:
            restore_state(step.optimizer, step.parameters, load_tensors(self.checkpoint, OPTIMIZER), self.numbers)
            step.scaler.load_state_dict(dict(self.scaler))
            if step.ema is not None:
                step.ema.restore(load_tensors(self.checkpoint, AVERAGE), self.averaged)
        except (KeyError, RuntimeError) as error:
            raise damaged(self.checkpoint, str(error)) from error


def put_weights(model: nn.Module, checkpoint: Path, backbone: str | None, found: str | None = None) -> None:
    """Put the weights of a checkpoint into a model; where it holds a head alone, only with the backbone it is for.

    Args:
        model: Changed in place.
        checkpoint: Where the weights lie.
        backbone: Hash of the backbone that a head is for; None where the checkpoint holds all weights.
        found: Hash of the model's backbone, where it is known.

    Raises:
        EchokitError: The weights do not fit, or the backbone is another one.
    """
    tensors = load_tensors(checkpoint, MODEL)
    try:
        missing, _ = model.load_state_dict(tensors, strict=backbone is None)
    except RuntimeError as error:  # load_state_dict names what does not fit
        raise damaged(checkpoint, str(error)) from error
    if backbone is None:
        return
    if any(in_part(name, "head") for name in missing):
        raise damaged(checkpoint, "it lacks a part of the head")
    found = found or backbone_hash(model)
    if found != backbone:
        raise EchokitError(
            f"the head was trained on another backbone ({backbone[:12]}) than the one given ({found[:12]})",
            hint="use the weights and the version of torch that the run was made with",
            where=str(checkpoint),
        )


@dataclass(frozen=True)
class FoldFiles:
    """The files of one fold: ``last/``, ``best/`` and ``history.jsonl``. Of several processes, the first one writes.

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

    def save_last(self, step: Step, progress: Progress, phase: str, backbone: str | None) -> None:
        """Keep the exact position of the training.

        Args:
            step: Model, optimizer and scaler.
            progress: The position.
            phase: The phase that the optimizer belongs to.
            backbone: Hash of a backbone that is still as the training found it: only the head is then written.
        """
        if not processes().first:
            return
        state = {
            **asdict(progress),
            "phase": phase,
            "backbone": backbone,
            "scaler": step.scaler.state_dict(),
            "optimizer": state_numbers(step.optimizer, step.parameters),
            "averaged": step.ema.steps if step.ema else 0,
            "identity": dict(self.identity),
            "computed": dict(self.computed),
        }
        save_checkpoint(
            self.directory,
            LAST,
            model=head_state(step.model) if backbone else step.model.state_dict(),
            state=state,
            metadata=self.metadata,
            optimizer=state_tensors(step.optimizer, step.parameters),
            average=step.ema.average if step.ema else None,
        )

    def save_best(self, tensors: Mapping[str, Tensor], record: Mapping[str, Any], backbone: str | None) -> None:
        """Keep the weights of an epoch for the predictions.

        Args:
            tensors: Of the whole model, or of its head where the backbone is given.
            record: Of the epoch.
            backbone: Hash of the backbone that the head belongs to, which is not written.
        """
        if not processes().first:
            return
        facts = {"identity": dict(self.identity), "metadata": dict(self.metadata)}
        save_checkpoint(
            self.directory,
            BEST,
            model=tensors,
            state={"record": dict(record), "backbone": backbone, **facts},
            metadata={**self.metadata, "backbone_hash": backbone} if backbone else self.metadata,
        )

    def write_history(self, history: list[dict[str, Any]]) -> None:
        """Write one line an epoch, the whole file at once, so that no line is ever doubled or halved."""
        if processes().first:
            write_text(self.directory / HISTORY, "".join(json.dumps(r, allow_nan=False) + "\n" for r in history))

    def finish(self) -> None:
        """Remove what only a resume would need."""
        processes().wait()  # all of them have read what is there
        if processes().first:
            remove_checkpoint(self.directory, LAST)

    def best(self) -> Path | None:
        """The checkpoint of the kept epoch, if there is one yet."""
        return find_checkpoint(self.directory, BEST)

    def resume(self, model: nn.Module, plan: Sequence[Phase], watch: Watch) -> Saved:
        """Find the position of the training and put its weights into the model; of a finished one, only its history.

        Raises:
            EchokitError: The checkpoint is damaged, or was made by another training.
        """
        if best := self.best():
            self._require_same(best, load_state(best))
        if best and (finished := self._finished(plan)):
            return Saved(Progress(epoch=len(finished) + 1, history=finished))
        checkpoint = find_checkpoint(self.directory, LAST)
        if checkpoint is None:
            return Saved(Progress())
        state = load_state(checkpoint)
        self._require_same(checkpoint, state)
        try:
            put_weights(model, checkpoint, state["backbone"])
            progress = Progress(**{name: state[name] for name in Progress.__dataclass_fields__})
            changed = [k for k, v in self.computed.items() if state["computed"].get(k) != v]
            saved = Saved(progress, checkpoint, state["phase"], state["optimizer"], state["scaler"], state["averaged"])
        except KeyError as error:
            raise damaged(checkpoint, str(error)) from error
        if changed:
            watch.note(f"resumed with another {' and '.join(changed)}: the last bits of a result can differ")
        return saved

    def load_best(self, model: nn.Module, epoch: int, found: str | None = None) -> Path:
        """Put the kept weights into the model.

        Args:
            model: Changed in place.
            epoch: The one that was to be kept.
            found: Hash of its backbone, where nothing has trained it.

        Raises:
            EchokitError: They are damaged, or of another epoch.
        """
        processes().wait()  # until the first one has written it
        checkpoint = self.best()
        if checkpoint is None:
            raise damaged(self.directory / BEST, "it is missing")
        state = load_state(checkpoint)
        self._require_same(checkpoint, state)
        if state["record"]["epoch"] != epoch:
            raise damaged(checkpoint, f"it holds epoch {state['record']['epoch']}, and epoch {epoch} was to be kept")
        put_weights(model, checkpoint, state.get("backbone"), found)
        return checkpoint

    def _finished(self, plan: Sequence[Phase]) -> list[dict[str, Any]]:
        """The history of a training that was done to its end; else empty."""
        path = self.directory / HISTORY
        try:
            history = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise EchokitError(f"the history is damaged: {error}", where=str(path)) from error
        return history if current_phase(plan, history) is None else []

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
