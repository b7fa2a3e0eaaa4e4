"""The epochs of one fold: steps, running sums, validation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from echokit.cohort.cohort import Fold
from echokit.errors import EchokitError
from echokit.objectives.objective import Targets, threshold_of
from echokit.sampling.windows import Windows
from echokit.training.data import Batch, PreparedClips, batches, of_cases
from echokit.training.progress import FoldFiles, Progress
from echokit.training.schedule import learning_rate
from echokit.training.scoring import auroc, model_outputs, scores_of
from echokit.training.settings import TrainSettings
from echokit.training.signals import StopRequest
from echokit.training.step import NonFiniteLossError, Step, StepResult
from echokit.training.watch import Watch

Integers = npt.NDArray[np.int64]
Sampler = Callable[[Integers, str, int, int], Windows]


@dataclass(frozen=True)
class FoldTraining:
    """What stays the same through a training; `Progress` is what changes."""

    step: Step
    clips: PreparedClips
    targets: Targets
    fold: Fold
    sampler: Sampler
    seed: int
    files: FoldFiles
    watch: Watch
    case_ids: tuple[str, ...]

    def train_epoch(self, progress: Progress, stop: StopRequest) -> None:
        """Do the steps of the epoch that are not done yet."""
        settings, device = self.step.settings, self.step.device
        windows = of_cases(self.sampler(self.clips.lengths, "train", progress.epoch, self.seed), self.fold.train)
        key = (self.seed, self.fold.number, progress.epoch)
        order = np.random.default_rng(np.random.SeedSequence(key)).permutation(len(windows))
        steps = -(-len(windows) // settings.batch_size)
        rest = order[progress.step * settings.batch_size :]
        started, before, seen = time.perf_counter(), progress.seconds, progress.seen
        self.step.model.train()
        for batch in batches(self.clips, windows, rest, settings.batch_size, device):
            done = (progress.epoch - 1 + progress.step / steps) / settings.epochs
            lr = learning_rate(settings.schedule, settings.optimizer.lr, done)
            result = self._step(batch, lr, progress)
            progress.step += 1
            self._count(batch, result, progress)
            elapsed = time.perf_counter() - started
            progress.seconds = before + elapsed
            self.watch.step(
                progress.epoch,
                settings.epochs,
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
            "train_loss": progress.loss / progress.weight,
            "train_accuracy": progress.correct / progress.seen,
            **self._validate(progress, stop),
            "lr": self.step.optimizer.param_groups[0]["lr"],
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
        step, settings = self.step, self.step.settings
        windows = of_cases(self.sampler(self.clips.lengths, "val", progress.epoch, self.seed), self.fold.val)
        chunks = []
        for chunk in model_outputs(
            step.model,
            self.clips,
            windows,
            batch_size=settings.eval_batch_size or settings.batch_size,
            device=step.device,
            precision=step.precision,
        ):
            chunks.append(chunk)
            self._stop_if_asked(progress, stop)
        outputs = torch.cat(chunks)
        total, weight = step.objective.loss(outputs, *self._learned(windows.case, torch.device("cpu")))
        scores = scores_of(step.objective, windows, outputs)
        truth = self.targets.y_true[scores.case]
        called = scores.score >= threshold_of(step.objective)
        return {
            "val_loss": float(total) / float(weight),
            "val_accuracy": float(np.mean(called == (truth == 1))),
            "val_auroc": auroc(truth, scores.score),
        }

    def _learned(self, rows: Integers, device: torch.device) -> tuple[Tensor, Tensor]:
        """y_true (B,) int64 and value (B,) float32 of the cases."""
        value = self.targets.value[rows].astype(np.float32)
        return torch.from_numpy(self.targets.y_true[rows]).to(device), torch.from_numpy(value).to(device)

    def _stop_if_asked(self, progress: Progress, stop: StopRequest) -> None:
        if stop:
            self.files.save_last(self.step, progress)
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
