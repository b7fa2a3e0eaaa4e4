"""Train the epochs of one phase: steps, running sums, validation."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from echokit.errors import EchokitError
from echokit.system.stop_signals import StopRequest
from echokit.training.batches.augment import occurrences, seed_of
from echokit.training.batches.batch_sources import ClipSamples, Samples, Source, ValidationOutputs
from echokit.training.batches.batches import in_batches, send
from echokit.training.callback import StepProgress
from echokit.training.checkpoints.checkpoint_writer import CheckpointWriter
from echokit.training.checkpoints.training_state import TrainingState
from echokit.training.context import FoldTask, TrainingContext
from echokit.training.hardware.determinism_cost import determinism_cost
from echokit.training.hardware.out_of_memory import explain_out_of_memory
from echokit.training.model_parts import evaluating, set_mode
from echokit.training.phases import Phase, is_done, records_of
from echokit.training.schedulers.position import SchedulePosition
from echokit.training.scoring import auroc, scores_of_cases
from echokit.training.settings import RECORDED
from echokit.training.step.schedule import make_schedule
from echokit.training.step.train_step import MicroBatch, NonFiniteLossError, Step, StepResult

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PhaseTraining:
    """What stays the same through a phase; `TrainingState` is what changes.

    Attributes:
        phase: The phase.
        step: Model, optimizer and device.
        source: The samples of each epoch.
        task: What the fold learns.
        context: How it is trained.
        writer: Writes checkpoints.
        validated: Gets the outputs of each epoch's validation by the whole model, so that it need not be repeated.
    """

    phase: Phase
    step: Step
    source: Source
    task: FoldTask
    context: TrainingContext
    writer: CheckpointWriter
    validated: dict[int, ValidationOutputs] = field(default_factory=dict)

    def run(self, state: TrainingState, stop: StopRequest) -> TrainingState:
        """Train from a state to the end of the phase.

        Raises:
            Interrupted: A stop was requested; the state is saved.
        """
        while not is_done(self.phase, state.history):
            with explain_out_of_memory(self.step.settings.batch_size, self._try_batch):
                self.train_epoch(state, stop)
                record = self.finish_epoch(state, stop)
            state = state.next_epoch(record)
            self.writer.write_epoch(state, record)
            self.context.callback.on_epoch_end(record)
            if reason := record.get("stopped"):
                said = f"fold {record['fold']} stopped after epoch {record['epoch']} by the callback {reason}"
                self.context.callback.on_warning(said)
        return state

    def train_epoch(self, state: TrainingState, stop: StopRequest) -> None:
        """Do the remaining steps of the epoch; none after a callback has stopped it."""
        settings, distributed = self.step.settings, self.step.processes
        samples = self.source.train(state.epoch)
        key = (self.context.seed, self.task.fold.number, state.epoch)
        order = np.random.default_rng(np.random.SeedSequence(key)).permutation(len(samples.case))
        step_size = settings.batch_size * settings.accumulate * distributed.count
        steps = cut_steps(order, step_size, distributed.count)
        todo = steps[state.step :] if state.stopped is None else []
        rows = [deal_clips(clips, settings.batch_size + (len(clips) > step_size), distributed.count) for clips in todo]
        mine = [[row[distributed.index] for row in step_rows] for step_rows in rows]
        losses = [record["val_loss"] for record in records_of(self.phase, state.history)]
        schedule = make_schedule(settings.schedule, self.phase.lr)
        started, seconds_before, seen_before = time.perf_counter(), state.seconds, state.seen
        set_mode(self.step.model, self.phase.parts, self.phase.bn)
        micro_batches = self._micro_batches(samples, mine, [clips[:1] for clips in todo], state)
        for clips, parts in zip(todo, mine, strict=True):
            lr = schedule(SchedulePosition(len(losses), self.phase.epochs, state.step, len(steps), losses))
            with self._explain_step_errors(samples.case[np.concatenate(parts)], state):
                result = self.step(islice(micro_batches, len(parts)), len(clips), lr)
            state.step += 1
            state.lr = lr
            self._count(result, state)
            elapsed = time.perf_counter() - started
            state.seconds = seconds_before + elapsed
            speed = (state.seen - seen_before) / elapsed
            loss = state.loss / state.weight
            answer = self.context.callback.on_step_end(
                StepProgress(state.epoch, settings.epochs, state.step, len(steps), loss, speed)
            )
            state.stopped = answer.reason if answer else None
            self._stop_if_requested(state, stop)
            if state.stopped is not None:
                break

    def finish_epoch(self, state: TrainingState, stop: StopRequest) -> dict[str, Any]:
        """Validate, and return the record of the epoch."""
        started = time.perf_counter()
        record: dict[str, Any] = {
            "fold": self.task.fold.number,
            "epoch": state.epoch,
            "phase": self.phase.name,
            "train_loss": state.loss / state.weight,
            "train_accuracy": state.correct / state.seen,
            **self._validate(state, stop),
            "lr": state.lr,
        }
        record["seconds"] = state.seconds + time.perf_counter() - started
        record["clips_per_second"] = state.seen / state.seconds
        _require_finite(record, state.epoch)
        answer = self.context.callback.judge_epoch(record)
        if reason := state.stopped or (answer.reason if answer else None):
            record["stopped"] = reason
        return self.step.processes.broadcast(record)  # type: ignore[no-any-return]

    def report_determinism_cost(self, epoch: int) -> None:
        """Measure and report the cost of determinism on a GPU; on a CPU it is free."""
        settings, device = self.step.settings, self.step.device
        if settings.deterministic and device.type == "cuda":
            set_mode(self.step.model, self.phase.parts, self.phase.bn)
            with explain_out_of_memory(settings.batch_size, self._try_batch):
                trial = self._trial(settings.batch_size, epoch)
                cost = determinism_cost(lambda: self.step.dry_run(trial, len(trial.y_true)), device)
            self.context.callback.on_warning(cost)

    def _micro_batches(
        self,
        samples: Samples,
        mine: Sequence[Sequence[Integers]],
        placeholders: Sequence[Integers],
        state: TrainingState,
    ) -> Iterator[MicroBatch]:
        """Yield the micro-batches of this process, which are read ahead."""
        index, count = self.step.processes.index, self.step.processes.count
        first = state.step
        places = [(step, number) for step, parts in enumerate(mine) for number in range(len(parts))]
        parts = [mine[step][number] if len(mine[step][number]) else placeholders[step] for step, number in places]
        nth_window = occurrences(samples.case)
        for (step, number), part, batch in zip(places, parts, samples.batches(parts), strict=True):
            yield MicroBatch(
                batch,
                *self._targets(batch.rows, self.step.device),
                seed_of(self.context.seed, self.task.fold.number, state.epoch, first + step, number * count + index),
                self._sample_seeds(samples.case[part], nth_window[part], state.epoch),
                counted=len(mine[step][number]) > 0,
            )

    def _sample_seeds(self, cases: Integers, nth_window: Integers, epoch: int) -> tuple[int, ...]:
        """Derive seeds from (seed, epoch, case, window) alone, whatever the batch size."""
        if not self.step.augment:
            return ()
        keys = zip(cases, nth_window, strict=True)
        return tuple(seed_of(self.context.seed, epoch, int(case), int(nth)) for case, nth in keys)

    def _explain_step_errors(self, rows: Integers, state: TrainingState) -> StepErrors:
        names = ", ".join(self.task.case_ids[row] for row in rows)
        return StepErrors(f"epoch {state.epoch}, step {state.step + 1}, on the cases {names}")

    def _count(self, result: StepResult, state: TrainingState) -> None:
        """Add a step to the sums of the epoch; accuracy is that before each update."""
        state.loss += result.loss
        state.weight += result.weight
        counts = torch.zeros(2, dtype=torch.float64)
        if result.rows:
            objective = self.step.objective
            positive = objective.score(result.outputs).double().numpy() >= objective.threshold
            truth = self.task.targets.y_true[list(result.rows)] == 1
            counts += torch.tensor([(positive == truth).sum(), len(truth)])
        counts = counts.to(self.step.device)
        self.step.processes.add(counts)
        correct, seen = counts.tolist()
        state.correct += int(correct)
        state.seen += int(seen)

    def _validate(self, state: TrainingState, stop: StopRequest) -> dict[str, Any]:
        metrics = self.context.metrics
        if not len(self.task.fold.val):
            return dict.fromkeys((*RECORDED, *(metric.name for metric in metrics)))
        step, samples = self.step, self.source.val(state.epoch)
        with step.averaged():
            outputs = self._outputs(samples, state, stop)
        if isinstance(samples, ClipSamples):
            self.validated[state.epoch] = ValidationOutputs(samples.windows, outputs)
        total, weight = step.objective.loss(outputs, *self._targets(samples.case, torch.device("cpu")))
        scores = scores_of_cases(step.objective, samples.case, outputs)
        truth = self.task.targets.y_true[scores.case]
        positive = scores.score >= step.objective.threshold
        return {
            "val_loss": float(total) / float(weight),
            "val_accuracy": float(np.mean(positive == (truth == 1))),
            "val_auroc": auroc(truth, scores.score),
            **{metric.name: metric.measure(scores) for metric in metrics},
        }

    def _outputs(self, samples: Samples, state: TrainingState, stop: StopRequest) -> Tensor:
        """Compute outputs (n, outputs) float32 on the CPU, a share in each process."""
        step, distributed = self.step, self.step.processes
        size = step.settings.eval_batch_size or step.settings.batch_size
        mine = np.array_split(np.arange(len(samples.case)), distributed.count)[distributed.index]
        chunks = [torch.empty(0, step.objective.outputs)]
        with evaluating(step.model):
            for batch in samples.batches(in_batches(mine, size)):
                with torch.inference_mode(), step.precision.context(step.device):
                    outputs = step.forward(batch)
                chunks.append(outputs.float().cpu())
                if distributed.count == 1:
                    self._stop_if_requested(state, stop, averaged=True)
        return torch.cat(distributed.gather(torch.cat(chunks)))

    def _targets(self, rows: Integers, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return y_true (B,) int64 and value (B,) float32 of the cases."""
        targets = self.task.targets
        value = targets.value[rows].astype(np.float32)
        return send(torch.from_numpy(targets.y_true[rows]), device), send(torch.from_numpy(value), device)

    def _stop_if_requested(self, state: TrainingState, stop: StopRequest, *, averaged: bool = False) -> None:
        """Save and stop if a signal came to any of the processes.

        They also agree on whether a callback has stopped the training.

        Args:
            state: The position.
            stop: Whether a signal came to this process.
            averaged: Whether the model has its averaged weights at the moment.
        """
        everywhere = self.step.processes.gather((stop.signum, state.stopped))
        state.stopped = everywhere[0][1]  # of the main process
        signum = next((came for came, _ in everywhere if came is not None), None)
        if signum is None:
            return
        stop.signum = signum
        with self.step.averaged() if averaged else nullcontext():  # averaged twice gives the trained weights
            self.writer.write_stop(state)
        raise stop.interrupted()

    def _try_batch(self, clips: int) -> None:
        """Compute the gradients of a number of clips, to test the memory."""
        spare = [torch.zeros_like(p) for p in self.step.parameters.values() for _ in range(2)]  # the optimizer's state
        self.step.dry_run(self._trial(clips, 1), clips)
        del spare

    def _trial(self, clips: int, epoch: int) -> MicroBatch:
        """Read a micro-batch of this many training clips, for a step that is not counted."""
        samples = self.source.train(epoch)
        [batch] = samples.batches([np.resize(np.arange(len(samples.case)), clips)])
        return MicroBatch(batch, *self._targets(batch.rows, self.step.device), 0, tuple(range(clips)))


@dataclass(frozen=True)
class StepErrors:
    """Explain the errors of a step that a user can fix.

    Attributes:
        position: Epoch, step and cases.
    """

    position: str

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Raise an `EchokitError` in place of an error that a user can fix."""
        # torch's message for a batch norm without variance
        if isinstance(error, ValueError) and "more than 1 value per channel" in str(error):
            raise EchokitError(
                "batch norm cannot learn from a batch of one clip of this size: it has no variance",
                hint="a larger train.batch_size, or train.bn: frozen",
                where="train.batch_size",
                code="train.batch_of_one",
            ) from error
        if isinstance(error, NonFiniteLossError):
            raise EchokitError(
                f"{error} in {self.position}",
                hint="look at these cases; or try a lower train.optimizer.lr, train.clip_gradients or "
                "train.precision: float32",
                code="train.loss_not_finite",
            ) from error


def cut_steps(order: Integers, step_size: int, processes: int) -> list[Integers]:
    """Cut an epoch into steps.

    A last step of a single clip, without variance for batch norm, joins the one before. So does one with fewer clips
    than processes, where synchronised batch norms would count placeholders.
    """
    steps = in_batches(order, step_size)
    if step_size > 1 and len(steps) > 1 and len(steps[-1]) < max(2, processes):
        steps[-2:] = [np.concatenate(steps[-2:])]
    return steps


def deal_clips(clips: Integers, batch_size: int, processes: int) -> list[list[Integers]]:
    """Distribute the clips of a step to processes, in micro-batches.

    Returns:
        One row for each pass through the model, with one micro-batch for each process. Every process has the same
        number of rows, and micro-batches differ by one clip at most. With fewer clips than processes, or in the last
        row of micro-batches of one clip, some are empty.
    """
    rows = -(-len(clips) // (batch_size * processes))
    parts = np.array_split(clips, rows * processes)
    return [parts[row * processes : (row + 1) * processes] for row in range(rows)]


def _require_finite(record: Mapping[str, Any], epoch: int) -> None:
    for name, value in record.items():
        if isinstance(value, float) and not np.isfinite(value):
            raise EchokitError(
                f"{name} is {value} after epoch {epoch}",
                hint="a lower train.optimizer.lr, train.clip_gradients or precision: float32",
                code="train.metric_not_finite",
            )
