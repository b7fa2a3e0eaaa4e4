"""The state of a training, and its files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from echokit.errors import EchokitError
from echokit.system.checksums import CHECKSUMS, checksum, checksum_problem, file_checksum, write_checksums
from echokit.system.files import write_text
from echokit.training.batches.features import backbone_hash
from echokit.training.callback import TrainingCallback
from echokit.training.checkpoints.checkpoint_files import (
    AVERAGE,
    MODEL,
    OPTIMIZER,
    STATE,
    damaged,
    find_checkpoint,
    load_state,
    load_tensors,
    remove_checkpoint,
    save_checkpoint,
)
from echokit.training.hardware.distributed import processes
from echokit.training.model_parts import head_state, in_part
from echokit.training.phases import Phase, current_phase
from echokit.training.step.optimizer import restore_state, state_numbers, state_tensors
from echokit.training.step.train_step import Step

LAST, BEST, HISTORY = "last", "best", "history.jsonl"
WEIGHT_FILES = (f"{BEST}/{MODEL}", f"{BEST}/{STATE}")
"""The files of the selected weights, relative to the folder of their fold."""


@dataclass
class TrainingState:
    """The position of a training; random states follow from it.

    Attributes:
        epoch: Number of the present epoch, from 1; one more than the last when all are done.
        step: Number of its finished steps.
        loss, weight, correct, seen: Sums over these steps.
        lr: Learning rate of the last of them.
        seconds: Time spent on this epoch.
        stopped: Which callback ended the training after the last of them, and why.
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
    stopped: str | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    def next_epoch(self, record: dict[str, Any]) -> TrainingState:
        """Start the epoch after the one of ``record``."""
        return TrainingState(epoch=self.epoch + 1, history=[*self.history, record])


@dataclass(frozen=True)
class SavedState:
    """A state from disk; its weights are in the model already.

    Attributes:
        state: The position.
        checkpoint: Place of the optimizer's state; None at the start and at the end of a training.
        phase: The phase that the optimizer belongs to.
        numbers: The optimizer's state, apart from its tensors.
        scaler: State of the loss scaler.
        averaged: Steps in the average of the weights.
    """

    state: TrainingState
    checkpoint: Path | None = None
    phase: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    scaler: Mapping[str, Any] = field(default_factory=dict)
    averaged: int = 0

    def restore(self, step: Step) -> None:
        """Restore the optimizer and the average of the weights.

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


def load_checkpoint_weights(
    model: nn.Module, checkpoint: Path, backbone: str | None, known_hash: str | None = None
) -> None:
    """Load the weights of a checkpoint; a head alone needs the right backbone.

    Args:
        model: Changed in place.
        checkpoint: Place of the weights.
        backbone: Hash of the backbone that the head belongs to; None if the checkpoint holds all weights.
        known_hash: Hash of the model's backbone, if it is known.

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
    own_hash = known_hash or backbone_hash(model)
    if own_hash != backbone:
        raise EchokitError(
            f"the head was trained on another backbone ({backbone[:12]}) than the one given ({own_hash[:12]})",
            hint="use the weights and the version of torch of the run",
            where=str(checkpoint),
            code="checkpoint.other_backbone",
        )


@dataclass(frozen=True)
class FoldFiles:
    """The files of one fold: ``last/``, ``best/``, history and checksums.

    Only the main process writes. The checksums are written when the last epoch is done, before the history that says
    so: a finished training always has them.

    Attributes:
        directory: Their folder.
        identity: JSON that identifies the training; a resume with another identity is refused.
        metadata: Embedded in the weights.
        computed: What else the bits depend on: device, number format, threads, torch.
        earlier: Identities of the same training with fewer epochs, which this one continues.
    """

    directory: Path
    identity: Mapping[str, Any]
    metadata: Mapping[str, Any]
    computed: Mapping[str, Any]
    earlier: tuple[Mapping[str, Any], ...] = ()

    def require_empty(self) -> None:
        """Refuse to overwrite an earlier training.

        Raises:
            EchokitError: There is one.
        """
        if self.best() or find_checkpoint(self.directory, LAST) or (self.directory / HISTORY).exists():
            raise EchokitError(
                "this fold has already been trained, completely or in part",
                hint="continue it with --resume, or choose another directory",
                where=str(self.directory),
                code="fold.already_trained",
            )

    def save_last(self, step: Step, state: TrainingState, phase: str, backbone: str | None) -> None:
        """Save the exact state of the training.

        Args:
            step: Model, optimizer and scaler.
            state: The position.
            phase: The phase that the optimizer belongs to.
            backbone: Hash of a backbone that has not been trained yet: only the head is then written.
        """
        if not processes().is_main:
            return
        content = {
            **asdict(state),
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
            state=content,
            metadata=self.metadata,
            optimizer=state_tensors(step.optimizer, step.parameters),
            average=step.ema.average if step.ema else None,
        )

    def save_best(self, tensors: Mapping[str, Tensor], record: Mapping[str, Any], backbone: str | None) -> None:
        """Save the weights of an epoch for the predictions.

        Args:
            tensors: Those of the whole model, or of its head if the backbone is given.
            record: Record of the epoch.
            backbone: Hash of the backbone that the head belongs to, which is not written.
        """
        if not processes().is_main:
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
        """Write one line for each epoch, the whole file at once."""
        if processes().is_main:
            write_text(self.directory / HISTORY, _history_text(history))

    def seal(self, history: list[dict[str, Any]]) -> None:
        """Write the checksums of the best weights and of the history to be written."""
        if processes().is_main:
            weights = {name: self.directory / name for name in WEIGHT_FILES}
            found = {name: file_checksum(path) for name, path in weights.items() if path.is_file()}
            write_checksums(self.directory, {HISTORY: checksum(_history_text(history).encode()), **found})

    def finish(self, *, keep_state: bool) -> None:
        """Remove the state of the training, unless more epochs can follow."""
        processes().wait()  # until all of them have read it
        if processes().is_main and not keep_state:
            remove_checkpoint(self.directory, LAST)

    def best(self) -> Path | None:
        """Find the checkpoint of the selected epoch, if there is one yet."""
        return find_checkpoint(self.directory, BEST)

    def resume(self, model: nn.Module, plan: Sequence[Phase], callback: TrainingCallback) -> SavedState:
        """Find the state of the training and load its weights.

        Of a finished training, only the history is read.

        Raises:
            EchokitError: The checkpoint is damaged, or belongs to another training.
        """
        if self.earlier:
            if processes().is_main:
                self._adopt_best(plan)
            processes().wait()
        if best := self.best():
            self._require_same(best, load_state(best))
        if best and (finished := self._finished(plan)):
            self._require_sealed((HISTORY, *WEIGHT_FILES))
            return SavedState(TrainingState(epoch=len(finished) + 1, history=finished))
        checkpoint = find_checkpoint(self.directory, LAST)
        if checkpoint is None:
            if best:
                callback.on_warning(f"{self.directory.name} has no state to continue from: its training starts again")
            return SavedState(TrainingState())
        content = load_state(checkpoint)
        self._require_same(checkpoint, content)
        try:
            load_checkpoint_weights(model, checkpoint, content["backbone"])
            content.setdefault("stopped", None)  # not in the checkpoints of earlier versions
            state = TrainingState(**{name: content[name] for name in TrainingState.__dataclass_fields__})
            changed = [k for k, v in self.computed.items() if content["computed"].get(k) != v]
            saved = SavedState(
                state, checkpoint, content["phase"], content["optimizer"], content["scaler"], content["averaged"]
            )
        except KeyError as error:
            raise damaged(checkpoint, str(error)) from error
        if changed:
            callback.on_warning(f"resumed with another {' and '.join(changed)}: the last bits of a result can differ")
        return saved

    def _adopt_best(self, plan: Sequence[Phase]) -> None:
        """Give the best weights of an earlier, shorter training the identity of this one.

        A kill in between costs at most what a stopped phase would train again.
        """
        best = self.best()
        if best is None or (content := load_state(best)).get("identity") not in self.earlier:
            return
        finished = self._finished(plan)  # it stopped early: the additional epochs change nothing
        if finished or (self.directory / CHECKSUMS).exists():
            self._require_sealed((HISTORY, *WEIGHT_FILES) if finished else WEIGHT_FILES)
        for name in (HISTORY, CHECKSUMS):
            (self.directory / name).unlink(missing_ok=True)
        self.save_best(load_tensors(best, MODEL), content["record"], content.get("backbone"))
        if finished:
            self.seal(finished)
            self.write_history(finished)

    def load_best(self, model: nn.Module, epoch: int, known_hash: str | None = None) -> Path:
        """Load the weights of the selected epoch into the model.

        Args:
            model: Changed in place.
            epoch: The selected epoch.
            known_hash: Hash of its backbone, if nothing has trained it.

        Raises:
            EchokitError: They are damaged, or of another epoch.
        """
        processes().wait()  # until the main process has written it
        checkpoint = self.best()
        if checkpoint is None:
            raise damaged(self.directory / BEST, "it is missing")
        state = load_state(checkpoint)
        self._require_same(checkpoint, state)
        if state["record"]["epoch"] != epoch:
            raise damaged(checkpoint, f"it holds epoch {state['record']['epoch']}, and epoch {epoch} was selected")
        load_checkpoint_weights(model, checkpoint, state.get("backbone"), known_hash)
        return checkpoint

    def _finished(self, plan: Sequence[Phase]) -> list[dict[str, Any]]:
        """Read the history of a finished training; empty if it is unfinished."""
        path = self.directory / HISTORY
        try:
            history = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            return history if current_phase(plan, history) is None else []
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise damaged(path, f"{HISTORY}: {error}") from error

    def _require_sealed(self, names: Sequence[str]) -> None:
        for name in names:
            if problem := checksum_problem(self.directory, name):
                raise damaged(self.directory / name.partition("/")[0], f"{name}: {problem}")

    def _require_same(self, checkpoint: Path, state: Mapping[str, Any]) -> None:
        other = state.get("identity")
        if other == self.identity or other in self.earlier:
            return
        if not isinstance(other, dict):
            raise damaged(checkpoint, "it does not name its training")
        keys = [k for k in {**other, **self.identity} if other.get(k) != self.identity.get(k)]
        raise EchokitError(
            f"the checkpoint belongs to another training: {', '.join(keys)} differ",
            hint="resume with the same recipe and data, or choose another directory",
            where=str(checkpoint),
            code="checkpoint.other_training",
        )


def _history_text(history: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(record, allow_nan=False) + "\n" for record in history)
