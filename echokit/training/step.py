"""One step of the optimizer, a pure function of weights, batch, learning rate and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from echokit.objectives.objective import Objective
from echokit.training.data import Batch
from echokit.training.device import Precision
from echokit.training.features import Augmentation
from echokit.training.optimizer import build_optimizer, conv_kernels, sparse_weights, trained_parameters
from echokit.training.parts import set_trained
from echokit.training.phases import Phase
from echokit.training.settings import TrainSettings


class NonFiniteLossError(ArithmeticError):
    """The loss is NaN or infinite; the weights have not been touched."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step tells.

    Attributes:
        loss: Weighted sum of the losses of the batch.
        weight: Sum of the weights.
        outputs: (B, outputs) float32 on the CPU, from before the update.
    """

    loss: float
    weight: float
    outputs: Tensor


@dataclass(frozen=True)
class Step:
    """Forward, backward, update.

    Attributes:
        model: What is trained; on ``device``.
        forward: From a batch to (B, outputs): the whole model, or its head alone on features.
        objective: Gives the loss.
        optimizer: Holds ``parameters``.
        scaler: Scales the loss where float16 needs it; passes it through elsewhere.
        parameters: What is trained, by name.
        kernels: Convolution kernels that ``l2_conv`` pulls towards 0.
        sparse: Weights that ``l1`` pulls towards 0.
        settings: Clipping and penalty.
        precision: Number format.
        device: Where all of this is.
        augment: Applied in order, before the model normalises.
    """

    model: nn.Module
    forward: Callable[[Batch], Tensor]
    objective: Objective
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    parameters: Mapping[str, nn.Parameter]
    kernels: Sequence[Tensor]
    sparse: Sequence[Tensor]
    settings: TrainSettings
    precision: Precision
    device: torch.device
    augment: Sequence[Augmentation]

    def __call__(self, batch: Batch, y_true: Tensor, value: Tensor, lr: float, seed: int) -> StepResult:
        """Train on one batch.

        Args:
            batch: B windows on the device.
            y_true: (B,) int64 on the device.
            value: (B,) float32 on the device.
            lr: Learning rate of this step.
            seed: Decides augmentation and dropout of this step, alone: no generator's state outlives a step.

        Raises:
            NonFiniteLossError: The loss is NaN or infinite.
        """
        torch.manual_seed(seed)
        generator = torch.Generator(self.device).manual_seed(seed)
        streams = batch.streams
        for augment in self.augment:
            streams = augment(streams, generator)
        with self.precision.context(self.device):
            outputs = self.forward(replace(batch, streams=streams))
        outputs = outputs.float()
        total, weight = self.objective.loss(outputs, y_true, value)
        torch.autograd.backward(self.scaler.scale(total / weight))
        loss = float(total.detach())  # waits for the device: only now that the backward pass is under way too
        if not np.isfinite(loss):
            self.optimizer.zero_grad(set_to_none=True)
            raise NonFiniteLossError(f"the loss is {loss}")
        self._update(lr)
        return StepResult(loss, float(weight.detach()), outputs.detach().cpu())

    def _update(self, lr: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = lr
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


def make_step(
    model: nn.Module,
    objective: Objective,
    settings: TrainSettings,
    phase: Phase,
    precision: Precision,
    device: torch.device,
    augment: Sequence[Augmentation],
) -> Step:
    """The step of a phase, with a fresh optimizer of what learns in it; the model's parameters are told so."""
    set_trained(model, phase.parts, phase.bn)
    parameters = trained_parameters(model)
    encoder: Any = model

    def of_clips(batch: Batch) -> Tensor:
        outputs: Tensor = model(batch.streams, batch.valid)
        return outputs

    def of_features(batch: Batch) -> Tensor:
        outputs: Tensor = encoder.answer(batch.streams["features"])
        return outputs

    return Step(
        model=model,
        forward=of_features if phase.head_only else of_clips,
        objective=objective,
        optimizer=build_optimizer(parameters, settings.optimizer),
        scaler=torch.amp.GradScaler(device.type, enabled=precision.scaler),
        parameters=parameters,
        kernels=conv_kernels(model),
        sparse=sparse_weights(model, settings.l1.on if settings.l1 else ()),
        settings=settings,
        precision=precision,
        device=device,
        augment=() if phase.head_only else augment,
    )
