"""The epochs of one phase: steps, running sums, validation."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from echokit.cohort.cohort import Fold
from echokit.errors import EchokitError
from echokit.objectives.objective import Targets, threshold_of
from echokit.training.augmented import occurrences, seed_of
from echokit.training.data import in_batches, send
from echokit.training.memory import memory_told
from echokit.training.parts import evaluating, set_mode
from echokit.training.phases import Phase, is_done, records_of
from echokit.training.progress import Progress
from echokit.training.same_bits import cost_of_same_bits
from echokit.training.samples import Samples, Source
from echokit.training.schedule import Place, learning_rate
from echokit.training.scoring import auroc, scores_of_cases
from echokit.training.signals import StopRequest
from echokit.training.step import NonFiniteLossError, Piece, Step, StepResult
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
            with memory_told(self.step.settings.batch_size, self._try_batch):
                self.train_epoch(progress, stop)
                record = self.finish_epoch(progress, stop)
            progress = progress.next_epoch(record)
            self.keeper.epoch(progress, record)
            self.watch.epoch(record)
        return progress

    def train_epoch(self, progress: Progress, stop: StopRequest) -> None:
        """Do the steps of the epoch that are not done yet."""
        settings, processes = self.step.settings, self.step.processes
        samples = self.source.train(progress.epoch)
        key = (self.seed, self.fold.number, progress.epoch)
        order = np.random.default_rng(np.random.SeedSequence(key)).permutation(len(samples.case))
        of_a_step = settings.batch_size * settings.accumulate * processes.count
        whole = steps_of(order, of_a_step, processes.count)
        rest = [
            shares(part, settings.batch_size + (len(part) > of_a_step), processes.count)
            for part in whole[progress.step :]
        ]
        own = [[row[processes.index] for row in rows] for rows in rest]
        records = records_of(self.phase, progress.history)
        started, before, seen = time.perf_counter(), progress.seconds, progress.seen
        set_mode(self.step.model, self.phase.parts, self.phase.bn)
        pieces = self._pieces(samples, own, [part[:1] for part in whole[progress.step :]], progress)
        for part, rows in zip(whole[progress.step :], own, strict=True):
            place = Place(len(records), self.phase.epochs, progress.step, len(whole), records)
            lr = learning_rate(settings.schedule, self.phase.lr, place)
            result = self._step(islice(pieces, len(rows)), len(part), lr, samples.case[np.concatenate(rows)], progress)
            progress.step += 1
            progress.lr = lr
            self._count(result, progress)
            elapsed = time.perf_counter() - started
            progress.seconds = before + elapsed
            self.watch.step(
                progress.epoch,
                self.epochs,
                progress.step,
                len(whole),
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
        return self.step.processes.agree(record)  # type: ignore[no-any-return]

    def _pieces(
        self, samples: Samples, own: Sequence[Sequence[Integers]], stand_ins: Sequence[Integers], progress: Progress
    ) -> Iterator[Piece]:
        """The pieces of this process, step after step, read ahead of their use."""
        index, count = self.step.processes.index, self.step.processes.count
        first = progress.step
        places = [(step, number) for step, rows in enumerate(own) for number in range(len(rows))]
        parts = [own[step][number] if len(own[step][number]) else stand_ins[step] for step, number in places]
        nth_window = occurrences(samples.case)
        for (step, number), part, batch in zip(places, parts, samples.batches(parts), strict=True):
            yield Piece(
                batch,
                *self._learned(batch.rows, self.step.device),
                seed_of(self.seed, self.fold.number, progress.epoch, first + step, number * count + index),
                self._sample_seeds(samples.case[part], nth_window[part], progress.epoch),
                counted=len(own[step][number]) > 0,
            )

    def _sample_seeds(self, cases: Integers, nth_window: Integers, epoch: int) -> tuple[int, ...]:
        """From (seed, epoch, case, window of the case) alone: batch size and number of processes never matter."""
        if not self.step.augment:
            return ()
        return tuple(
            seed_of(self.seed, epoch, int(case), int(nth)) for case, nth in zip(cases, nth_window, strict=True)
        )

    def _step(self, pieces: Iterator[Piece], clips: int, lr: float, rows: Integers, progress: Progress) -> StepResult:
        try:
            return self.step(pieces, clips, lr)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):  # torch's words for a batch norm without a spread
                raise
            raise EchokitError(
                "batch norm can not learn from a batch of one clip of this size: it has no spread",
                hint="a larger train.batch_size, or train.bn: frozen",
                where="train.batch_size",
            ) from error
        except NonFiniteLossError as error:
            names = ", ".join(self.case_ids[row] for row in rows)
            raise EchokitError(
                f"{error} in epoch {progress.epoch}, step {progress.step + 1}, on the cases {names}",
                hint="look at these cases; else try a lower train.optimizer.lr, train.clip_gradients or "
                "train.precision: float32",
            ) from error

    def _count(self, result: StepResult, progress: Progress) -> None:
        """Add a step to the running sums of the epoch, as the study's framework reports them."""
        progress.loss += result.loss
        progress.weight += result.weight
        counts = torch.zeros(2, dtype=torch.float64)
        if result.rows:
            objective = self.step.objective
            called = objective.score(result.outputs).double().numpy() >= threshold_of(objective)
            truth = self.targets.y_true[list(result.rows)] == 1
            counts += torch.tensor([(called == truth).sum(), len(truth)])
        counts = counts.to(self.step.device)
        self.step.processes.add(counts)
        correct, seen = counts.tolist()
        progress.correct += int(correct)
        progress.seen += int(seen)

    def _validate(self, progress: Progress, stop: StopRequest) -> dict[str, Any]:
        if not len(self.fold.val):
            return {"val_loss": None, "val_accuracy": None, "val_auroc": None}
        step, samples = self.step, self.source.val(progress.epoch)
        with step.averaged():
            outputs = self._outputs(samples, progress, stop)
        total, weight = step.objective.loss(outputs, *self._learned(samples.case, torch.device("cpu")))
        scores = scores_of_cases(step.objective, samples.case, outputs)
        truth = self.targets.y_true[scores.case]
        called = scores.score >= threshold_of(step.objective)
        return {
            "val_loss": float(total) / float(weight),
            "val_accuracy": float(np.mean(called == (truth == 1))),
            "val_auroc": auroc(truth, scores.score),
        }

    def _outputs(self, samples: Samples, progress: Progress, stop: StopRequest) -> Tensor:
        """Outputs (n, outputs) float32 on the CPU in evaluation mode; each process computes its share."""
        step, processes = self.step, self.step.processes
        size = step.settings.eval_batch_size or step.settings.batch_size
        own = np.array_split(np.arange(len(samples.case)), processes.count)[processes.index]
        chunks = [torch.empty(0, step.objective.outputs)]
        with evaluating(step.model):
            for batch in samples.batches(in_batches(own, size)):
                with torch.inference_mode(), step.precision.context(step.device):
                    outputs = step.forward(batch)
                chunks.append(outputs.float().cpu())
                if processes.count == 1:
                    self._stop_if_asked(progress, stop, averaged=True)
        return torch.cat(processes.gather(torch.cat(chunks)))

    def _learned(self, rows: Integers, device: torch.device) -> tuple[Tensor, Tensor]:
        """y_true (B,) int64 and value (B,) float32 of the cases."""
        value = self.targets.value[rows].astype(np.float32)
        return send(torch.from_numpy(self.targets.y_true[rows]), device), send(torch.from_numpy(value), device)

    def _stop_if_asked(self, progress: Progress, stop: StopRequest, *, averaged: bool = False) -> None:
        """Save and stop, if a signal came to any of the processes.

        Args:
            progress: Where the training is.
            stop: Whether one came to this process.
            averaged: Whether the model has its averaged weights at the moment.
        """
        signum = next((came for came in self.step.processes.gather(stop.signum) if came is not None), None)
        if signum is None:
            return
        stop.signum = signum
        with self.step.averaged() if averaged else nullcontext():  # averaged twice is as trained
            self.keeper.stop(progress)
        raise stop.interrupted()

    def tell_cost(self, epoch: int) -> None:
        """Say what the same bits cost on a GPU, on clips of an epoch; on a CPU they cost nothing."""
        settings, device = self.step.settings, self.step.device
        if settings.deterministic and device.type == "cuda":
            set_mode(self.step.model, self.phase.parts, self.phase.bn)
            with memory_told(settings.batch_size, self._try_batch):
                piece = self._trial(settings.batch_size, epoch)
                self.watch.note(cost_of_same_bits(lambda: self.step.try_out(piece, len(piece.y_true)), device))

    def _try_batch(self, clips: int) -> None:
        """Compute the gradients of so many training clips, to see whether memory allows it."""
        spare = [torch.zeros_like(p) for p in self.step.parameters.values() for _ in range(2)]  # the optimizer's state
        self.step.try_out(self._trial(clips, 1), clips)
        del spare

    def _trial(self, clips: int, epoch: int) -> Piece:
        """A piece of so many training clips, for a step that is not counted."""
        samples = self.source.train(epoch)
        [batch] = samples.batches([np.resize(np.arange(len(samples.case)), clips)])
        return Piece(batch, *self._learned(batch.rows, self.step.device), 0, tuple(range(clips)))


def steps_of(order: Integers, of_a_step: int, processes: int) -> list[Integers]:
    """Cut an epoch into steps.

    A last one of a single clip, without a spread for batch norm, joins the one before; so does one with fewer clips
    than processes, where the batch norms that they share would count stand-ins.
    """
    steps = in_batches(order, of_a_step)
    if of_a_step > 1 and len(steps) > 1 and len(steps[-1]) < max(2, processes):
        steps[-2:] = [np.concatenate(steps[-2:])]
    return steps


def shares(part: Integers, batch_size: int, processes: int) -> list[list[Integers]]:
    """Deal the clips of one step to processes, in pieces of at most ``batch_size``.

    Returns:
        One row for each time that clips go through the model, with one piece a process. All processes have equally
        many rows, and pieces differ by one clip at most; with fewer clips than processes, or in the last row of pieces
        of one clip, some are empty.
    """
    rows = -(-len(part) // (batch_size * processes))
    pieces = np.array_split(part, rows * processes)
    return [pieces[row * processes : (row + 1) * processes] for row in range(rows)]


def _require_finite(record: Mapping[str, Any], epoch: int) -> None:
    for name, value in record.items():
        if isinstance(value, float) and not np.isfinite(value):
            raise EchokitError(
                f"{name} is {value} after epoch {epoch}",
                hint="a lower train.optimizer.lr, train.clip_gradients or precision: float32",
            )
