"""One optimizer step, a pure function of weights, batches, learning rate and seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from echokit.data.sampling.labelled_batch import LabelledBatch
from echokit.errors import EchokitError
from echokit.training.batches.augment import Augmentation, augment_labelled
from echokit.training.batches.batches import Batch
from echokit.training.context import TrainingContext
from echokit.training.hardware.device import Precision
from echokit.training.hardware.distributed import Processes
from echokit.training.model_parts import set_trained
from echokit.training.objectives.objective import Objective
from echokit.training.phases import Phase
from echokit.training.settings import TrainSettings
from echokit.training.step.ema import Ema, follow
from echokit.training.step.optimizer import build_optimizer, conv_kernels, sparse_weights, trained_parameters


class NonFiniteLossError(ArithmeticError):
    """The loss is NaN or infinite; the weights are unchanged."""


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """The clips that go through the model at a time.

    Attributes:
        batch: B windows on the device.
        y_true: (B,) int64 on the device.
        value: (B,) float32 on the device.
        seed: Seed of dropout; no generator's state lasts longer.
        sample_seeds: One for each window, seeds of its augmentation.
        counted: False for a placeholder, if a process has no clip in a step: its gradients are zero.
    """

    batch: Batch
    y_true: Tensor
    value: Tensor
    seed: int
    sample_seeds: tuple[int, ...] = ()
    counted: bool = True


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of a step.

    Attributes:
        loss: Weighted sum of the losses of all clips of the step, in all processes.
        weight: Sum of the weights.
        outputs: (B, outputs) float32 on the CPU, of the counted micro-batches of this process, before the update.
        rows: Their cases.
    """

    loss: float
    weight: float
    outputs: Tensor
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """Forward and backward passes over the micro-batches, then one update.

    Attributes:
        model: The model, on ``device``.
        forward: From a batch to (B, outputs): the whole model, or its head alone on features.
        objective: Gives the loss.
        optimizer: Holds ``parameters``.
        scaler: Scales the loss for float16; otherwise it has no effect.
        parameters: The trained parameters, by name.
        kernels: Convolution kernels that ``l2_conv`` pulls towards 0.
        sparse: Weights that ``l1`` pulls towards 0.
        ema: Average of the weights, if requested.
        settings: Clipping and penalties.
        precision: Number format.
        device: Device of all tensors.
        augment: Applied in order, before the model normalises.
        processes: The processes that train together.
    """

    model: nn.Module
    forward: Callable[[Batch], Tensor]
    objective: Objective
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    parameters: Mapping[str, nn.Parameter]
    kernels: Sequence[Tensor]
    sparse: Sequence[Tensor]
    ema: Ema | None
    settings: TrainSettings
    precision: Precision
    device: torch.device
    augment: Sequence[Augmentation]
    processes: Processes

    def __call__(self, micro_batches: Iterable[MicroBatch], clips: int, lr: float) -> StepResult:
        """Train on the micro-batches of one step.

        The loss is the weighted sum over all clips of all processes, divided by the sum of their weights. That sum
        is known only at the end, so gradients are first divided by the number of clips and corrected then.

        Args:
            micro_batches: The micro-batches of this process.
            clips: Number of clips of the step, in all processes.
            lr: Learning rate.

        Raises:
            NonFiniteLossError: The loss is NaN or infinite.
        """
        sums = torch.zeros(2, dtype=torch.float64)
        outputs: list[Tensor] = []
        rows: list[int] = []
        for micro_batch in micro_batches:
            output, total, weight = self.accumulate_gradients(micro_batch, clips)
            if micro_batch.counted:
                sums += torch.stack((total, weight)).cpu()  # waits for the device: the backward pass is under way
                outputs.append(output.cpu())
                rows += micro_batch.batch.rows.tolist()
        sums = sums.to(self.device)
        self.processes.add(sums)
        loss, weights = sums.tolist()
        if not math.isfinite(loss):
            self.optimizer.zero_grad(set_to_none=True)
            raise NonFiniteLossError(f"the loss is {loss}")
        self.processes.add_gradients(self.parameters.values())
        if clips != weights:
            torch._foreach_mul_([p.grad for p in self.parameters.values() if p.grad is not None], clips / weights)
        self._update(lr)
        return StepResult(loss, weights, torch.cat(outputs) if outputs else torch.empty(0), tuple(rows))

    def accumulate_gradients(self, micro_batch: MicroBatch, clips: int) -> tuple[Tensor, Tensor, Tensor]:
        """Add the gradients of one micro-batch.

        Returns:
            Its outputs (float32), loss and weight (float64 sums).
        """
        torch.manual_seed(micro_batch.seed)
        batch = LabelledBatch(micro_batch.batch.streams, micro_batch.y_true, micro_batch.value)
        if self.augment:
            batch = augment_labelled(batch, self.augment, micro_batch.sample_seeds, micro_batch.seed)
        guard = explain_compile_error() if self.settings.compile else nullcontext()
        with guard, self.precision.context(self.device):
            outputs = self.forward(replace(micro_batch.batch, streams=dict(batch.streams)))
        outputs = outputs.float()
        total, weight = mixed_loss(self.objective, outputs, batch)
        share = total if micro_batch.counted else total * 0.0
        torch.autograd.backward(self.scaler.scale(share / clips))
        return outputs.detach(), total.detach().double(), weight.detach().double()

    def dry_run(self, micro_batch: MicroBatch, clips: int) -> None:
        """Compute gradients, discard them and restore the batch-norm statistics."""
        buffers = [buffer.clone() for buffer in self.model.buffers()]
        try:
            self.accumulate_gradients(micro_batch, clips)
        finally:
            self.optimizer.zero_grad(set_to_none=True)
            for buffer, before in zip(self.model.buffers(), buffers, strict=True):
                buffer.copy_(before)

    def averaged(self) -> AbstractContextManager[None]:
        """Use the averaged weights inside the block, if there is an average."""
        return self.ema.applied() if self.ema is not None else nullcontext()

    def _update(self, lr: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["lr_scale"]
        settings = self.settings
        if settings.l2_conv or settings.l1 or settings.clip_gradients:
            self.scaler.unscale_(self.optimizer)
        if settings.l2_conv:
            for kernel in self.kernels:
                if kernel.grad is not None:  # the gradient of l2 * sum(kernel ** 2)
                    kernel.grad.add_(kernel.detach(), alpha=2 * settings.l2_conv)
        if settings.l1:
            for weight in self.sparse:
                if weight.grad is not None:  # the gradient of l1 * sum(|weight|)
                    weight.grad.add_(weight.detach().sign(), alpha=settings.l1.strength)
        if settings.clip_gradients:
            nn.utils.clip_grad_norm_(self.parameters.values(), settings.clip_gradients)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.processes.average_buffers(self.model)
        if self.ema is not None:
            self.ema.update()


def mixed_loss(objective: Objective, outputs: Tensor, batch: LabelledBatch) -> tuple[Tensor, Tensor]:
    """Return the sums of losses and weights of a batch.

    Mixed targets give the weighted mean of two losses, as in mixup (Zhang et al., ICLR 2018).

    Args:
        objective: Gives the loss.
        outputs: (B, outputs) float32.
        batch: Gives the targets.
    """
    total, weight = objective.loss(outputs, batch.y_true, batch.value)
    if batch.partner is None:
        return total, weight
    of_partner = objective.loss(outputs, batch.y_true[batch.partner], batch.value[batch.partner])
    own, rest = batch.share, 1 - batch.share
    return own * total + rest * of_partner[0], own * weight + rest * of_partner[1]


@contextmanager
def explain_compile_error() -> Iterator[None]:
    """Explain a failure of ``torch.compile`` in a forward or backward pass.

    Raises:
        EchokitError: Compilation failed.
    """
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as error:  # inductor's errors are among them
        message = str(getattr(error, "inner_exception", error)).strip().partition("\n")[0]
        raise EchokitError(
            f"torch.compile failed: {message}",
            hint="train.compile: false; it needs a C++ compiler such as g++, and Triton on a GPU",
            where="train.compile",
            code="train.compile_failed",
        ) from error


def make_step(
    model: nn.Module, objective: Objective, phase: Phase, context: TrainingContext, distributed: Processes
) -> Step:
    """Create the step of a phase, with a new optimizer for its trained parts."""
    settings, device = context.settings, context.compute.device
    set_trained(model, phase.parts, phase.bn)
    parameters = trained_parameters(model)
    encoder: Any = model
    computed = torch.compile(model) if settings.compile and not phase.head_only else model

    def of_clips(batch: Batch) -> Tensor:
        outputs: Tensor = (computed if model.training else model)(batch.streams, batch.valid)
        return outputs

    def of_features(batch: Batch) -> Tensor:
        outputs: Tensor = encoder.answer(batch.streams["features"])
        return outputs

    return Step(
        model=model,
        forward=of_features if phase.head_only else of_clips,
        objective=objective,
        optimizer=build_optimizer(parameters, settings.optimizer, settings.layer_decay),
        scaler=torch.amp.GradScaler(device.type, enabled=context.compute.precision.scaler),
        parameters=parameters,
        kernels=conv_kernels(model),
        sparse=sparse_weights(model, settings.l1.on if settings.l1 else ()),
        ema=follow(model, settings.ema.decay, head_only=phase.head_only) if settings.ema else None,
        settings=settings,
        precision=context.compute.precision,
        device=device,
        augment=() if phase.head_only else context.augment,
        processes=distributed,
    )
