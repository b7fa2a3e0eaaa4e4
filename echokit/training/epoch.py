"""The epochs of one fold: steps, running sums, validation."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from echokit.cohort.cohort import Fold
from echokit.errors import EchokitError
from echokit.objectives.objective import Targets, threshold_of
from echokit.training.data import Batch
from echokit.training.parts import evaluating, set_mode
from echokit.training.phases import Phase, is_done, records_of
from echokit.training.progress import Progress
from echokit.training.samples import Samples, Source
from echokit.training.schedule import learning_rate
from echokit.training.scoring import auroc, scores_of_cases
from echokit.training.settings import TrainSettings
from echokit.training.signals import StopRequest
from echokit.training.step import NonFiniteLossError, Step, StepResult
from echokit.training.watch import Watch

Integers = npt.NDArray[np.int64]


class Keeper(Protocol):
    """Told of what must not be lost; see `echokit.training.keeper.Keeper`."""

    def epoch(self, progress: Progress, record: Mapping[str, Any]) -> None:
        """An epoch was done; ``progress`` is the position after it."""
        ...

    def stop(self, progress: Progress) -> None:
        """The training stops at a position, to go on from there another time."""
        ...


@dataclass(frozen=True)
class PhaseTraining:
    """What stays the same through a phase; `Progress` is what changes."""

    phase: Phase
    step: Step
    source: Source
    targets: Targets
    fold: Fold
    seed: int
    watch: Watch
    case_ids: tuple[str, ...]
    epochs: int
    keeper: Keeper

    def run(self, progress: Progress, stop: StopRequest) -> Progress:
        """Train from a position to the end of the phase.

        Raises:
            Interrupted: A stop was asked for; the position is saved.
        """
        while not is_done(self.phase, progress.history):
            with memory_told(self.step.settings):
                self.train_epoch(progress, stop)
                record = self.finish_epoch(progress, stop)
            progress = progress.next_epoch(record)
            self.keeper.epoch(progress, record)
            self.watch.epoch(record)
        return progress

    def train_epoch(self, progress: Progress, stop: StopRequest) -> None:
        """Do the steps of the epoch that are not done yet."""
        settings = self.step.settings
        samples = self.source.train(progress.epoch)
        key = (self.seed, self.fold.number, progress.epoch)
        order = np.random.default_rng(np.random.SeedSequence(key)).permutation(len(samples.case))
        steps = -(-len(order) // settings.batch_size)
        earlier = len(records_of(self.phase, progress.history))
        rest = order[progress.step * settings.batch_size :]
        started, before, seen = time.perf_counter(), progress.seconds, progress.seen
        set_mode(self.step.model, self.phase.parts, self.phase.bn)
        for batch in samples.batches(rest, settings.batch_size):
            done = (earlier + progress.step / steps) / self.phase.epochs
            lr = learning_rate(settings.schedule, self.phase.lr, done)
            result = self._step(batch, lr, progress)
            progress.step += 1
            progress.lr = lr
            self._count(batch, result, progress)
            elapsed = time.perf_counter() - started
            progress.seconds = before + elapsed
            self.watch.step(
                progress.epoch,
                self.epochs,
                progress.step,
                steps,
                progress.loss / progress.weight,
                (progress.seen - seen) / elapsed,
            )
            self._stop_if_asked(progress, stop)

    def finish_epoch(self, progress: Progress, stop: StopRequest) -> dict[str, Any]:
        """Validate, and return the record of the epoch."""
        started = time.perf_counter()
        record: dict[str, Any] = {
            "fold": self.fold.number,
            "epoch": progress.epoch,
            "phase": self.phase.name,
            "train_loss": progress.loss / progress.weight,
            "train_accuracy": progress.correct / progress.seen,
            **self._validate(progress, stop),
            "lr": progress.lr,
        }
        record["seconds"] = progress.seconds + time.perf_counter() - started
        record["clips_per_second"] = progress.seen / progress.seconds
        _require_finite(record, progress.epoch)
        return record

    def _step(self, batch: Batch, lr: float, progress: Progress) -> StepResult:
        key = np.random.SeedSequence((self.seed, self.fold.number, progress.epoch, progress.step))
        try:
            return self.step(batch, *self._learned(batch.rows, self.step.device), lr, _seed_of(key))
        except NonFiniteLossError as error:
            names = ", ".join(self.case_ids[row] for row in batch.rows)
            raise EchokitError(
                f"{error} in epoch {progress.epoch}, step {progress.step + 1}, on the cases {names}",
                hint="look at these cases; else try a lower train.optimizer.lr, train.clip_gradients or "
                "train.precision: float32",
            ) from error

    def _count(self, batch: Batch, result: StepResult, progress: Progress) -> None:
        """Add a step to the running sums of the epoch, as the study's framework reports them."""
        progress.loss += result.loss
        progress.weight += result.weight
        objective = self.step.objective
        called = objective.score(result.outputs).double().numpy() >= threshold_of(objective)
        progress.correct += int((called == (self.targets.y_true[batch.rows] == 1)).sum())
        progress.seen += len(batch.rows)

    def _validate(self, progress: Progress, stop: StopRequest) -> dict[str, Any]:
        if not len(self.fold.val):
            return {"val_loss": None, "val_accuracy": None, "val_auroc": None}
        step, samples = self.step, self.source.val(progress.epoch)
        chunks = []
        for chunk in self._outputs(samples):
            chunks.append(chunk)
            self._stop_if_asked(progress, stop)
        outputs = torch.cat(chunks)
        total, weight = step.objective.loss(outputs, *self._learned(samples.case, torch.device("cpu")))
        scores = scores_of_cases(step.objective, samples.case, outputs)
        truth = self.targets.y_true[scores.case]
        called = scores.score >= threshold_of(step.objective)
        return {
            "val_loss": float(total) / float(weight),
            "val_accuracy": float(np.mean(called == (truth == 1))),
            "val_auroc": auroc(truth, scores.score),
        }

    def _outputs(self, samples: Samples) -> Iterator[Tensor]:
        """Outputs (B, outputs) float32 on the CPU in evaluation mode, in the order of the samples."""
        step = self.step
        size = step.settings.eval_batch_size or step.settings.batch_size
        with evaluating(step.model):
            for batch in samples.batches(np.arange(len(samples.case)), size):
                with torch.inference_mode(), step.precision.context(step.device):
                    outputs = step.forward(batch)
                yield outputs.float().cpu()

    def _learned(self, rows: Integers, device: torch.device) -> tuple[Tensor, Tensor]:
        """y_true (B,) int64 and value (B,) float32 of the cases."""
        value = self.targets.value[rows].astype(np.float32)
        return torch.from_numpy(self.targets.y_true[rows]).to(device), torch.from_numpy(value).to(device)

    def _stop_if_asked(self, progress: Progress, stop: StopRequest) -> None:
        if stop:
            self.keeper.stop(progress)
            raise stop.interrupted()


def _seed_of(key: np.random.SeedSequence) -> int:
    return int(key.generate_state(1, np.uint64)[0] >> np.uint64(1))


def _require_finite(record: Mapping[str, Any], epoch: int) -> None:
    for name, value in record.items():
        if isinstance(value, float) and not np.isfinite(value):
            raise EchokitError(
                f"{name} is {value} after epoch {epoch}",
                hint="a lower train.optimizer.lr, train.clip_gradients or precision: float32",
            )


@contextmanager
def memory_told(settings: TrainSettings) -> Iterator[None]:
    """Say in one sentence that memory ran out, which each allocator says in its own way."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        short = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
        if not short:
            raise
        raise EchokitError(
            f"there is not enough memory for batches of {settings.batch_size} clips",
            hint="a smaller train.batch_size (or train.eval_batch_size, if it is larger)",
            where="train.batch_size",
        ) from error
