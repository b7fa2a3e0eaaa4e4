"""Train many heads on the same features in one batch, for head searches and permutation tests.

A head is a dense layer, and heads differ only in their labels and training cases. So the weights of all heads are the
columns of one matrix, and a step is two matrix products. Each head gets the weights of a single training with steps of
the whole training set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from echokit.errors import EchokitError
from echokit.training.hardware.device import one_thread
from echokit.training.schedulers.position import SchedulePosition
from echokit.training.settings import PhaseSettings, TrainSettings
from echokit.training.step.schedule import make_schedule

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
MULTITHREADED = 64  # smallest number of heads for which several threads are faster
BATCH = 512
"""Heads in one matrix; more are not faster and need more memory."""


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """Settings of the training of a head.

    Attributes:
        train: Its phases must all train the head alone.
        dropout: Dropout rate of the features.
        balanced: Whether both classes have the same total weight; `weights` otherwise.
        weights: Weights of class 0 and class 1.
        outputs: 1 or 2 logits.
        remove_shift: Whether the score is without the shift of the class weights.
    """

    train: TrainSettings
    dropout: float = 0.0
    balanced: bool = False
    weights: tuple[float, float] = (1.0, 1.0)
    outputs: int = 2
    remove_shift: bool = True


@dataclass(frozen=True, slots=True)
class HeadTask:
    """One head to train.

    Attributes:
        y: (cases,) int64 classes of all cases, for this head.
        train: (n,) int64 training cases, of both classes.
    """

    y: Integers
    train: Integers


def check_batched_heads_supported(settings: TrainSettings, windows: int) -> None:
    """Refuse settings that only the training of single heads supports.

    Args:
        settings: The recipe's ``train``.
        windows: Largest number of windows of a training set.

    Raises:
        EchokitError: A setting is not supported, or a step is smaller than the training set.
    """
    optimizer = settings.optimizer
    unsupported: dict[str, bool] = {
        "ema": settings.ema is not None,
        "early_stop": settings.early_stop is not None,
        "clip_gradients": settings.clip_gradients is not None,
        "layer_decay": settings.layer_decay is not None,
        "keep": settings.keep != "last",
        "schedule": _follows_validation(settings),
        "optimizer": optimizer.use not in UPDATES
        or any(optimizer.options.get(name) for name in ("amsgrad", "momentum", "dampening", "nesterov")),
        "l1.on": settings.l1 is not None and tuple(settings.l1.on) != ("head",),
    }
    for name, is_set in unsupported.items():
        if is_set:
            raise EchokitError(
                f"this train.{name} is not supported for heads that are selected inside folds or trained on permuted "
                "labels, as many heads are trained in one batch",
                hint="use adam, adamw or plain sgd, keep: last, a schedule that does not follow the validation loss, "
                "and remove ema, early_stop, clip_gradients and layer_decay",
                where=f"train.{name}",
                code="train.not_in_batched_heads",
            )
    if settings.batch_size * settings.accumulate < windows:
        raise EchokitError(
            f"heads that are trained in one batch need steps of the whole training set, of up to {windows} clips, and "
            f"a step has {settings.batch_size * settings.accumulate}",
            hint=f"use train.batch_size: {windows} or more; train.eval_batch_size is then the number of clips that go "
            "through the backbone at a time",
            where="train.batch_size",
            code="train.batch_too_small",
        )


def _follows_validation(settings: TrainSettings) -> bool:
    """Return whether the schedule needs validation losses: there are none."""
    try:
        make_schedule(settings.schedule, 1.0)(_position(1, 2))
    except EchokitError as error:
        if error.code != "train.no_validation":
            raise
        return True
    return False


def _position(done: int, epochs: int) -> SchedulePosition:
    """Return the position of the only step of an epoch, without validation losses."""
    return SchedulePosition(done, epochs, 0, 1, (None,) * done)


def train_and_score(
    plan: HeadPlan,
    tasks: Sequence[HeadTask],
    *,
    case: Integers,
    copies: Tensor,
    scored_case: Integers,
    scored: Tensor,
    seed: int,
) -> Floats:
    """Train one head for each task, and score all cases with each.

    Args:
        plan: Settings of all heads.
        tasks: One for each head.
        case: (n,) int64 case of each training window.
        copies: (copies, n, features) float32; the epochs take the copies in turn.
        scored_case: (m,) int64 case of each window to score.
        scored: (m, features) float32.
        seed: Seed of the initial weights and of the dropout, which all heads share.

    Returns:
        (tasks, cases) float64: probability of class 1, the mean over the windows of a case.
    """
    cases = len(tasks[0].y) if tasks else 0
    windows = np.maximum(np.bincount(scored_case, minlength=cases), 1)
    scores = [np.empty((0, cases))]
    for start in range(0, len(tasks), BATCH):
        part = tasks[start : start + BATCH]
        y = np.stack([task.y for task in part])
        selected = np.zeros(y.shape, bool)
        for row, task in enumerate(part):
            selected[row, task.train] = True
        classes = np.stack([_class_weights(plan, task) for task in part])
        weights = np.take_along_axis(classes, y, axis=1) * selected
        with one_thread() if len(part) < MULTITHREADED else nullcontext():
            kernel, bias = _train(
                plan,
                torch.from_numpy(y[:, case]),
                torch.from_numpy(weights[:, case].astype(np.float32)),
                copies,
                seed,
            )
        logits = (scored @ kernel + bias).view(len(scored), len(part), plan.outputs)
        margin = logits[..., -1] - (logits[..., 0] if plan.outputs == 2 else 0.0)
        shift = np.log(classes[:, 1] / classes[:, 0]) if plan.remove_shift else np.zeros(len(part))
        probability = torch.sigmoid(margin - torch.from_numpy(shift.astype(np.float32))).double().numpy()
        sums = np.zeros((cases, len(part)))
        np.add.at(sums, scored_case, probability)
        scores.append((sums / windows[:, None]).T)
    return np.concatenate(scores)


def _class_weights(plan: HeadPlan, task: HeadTask) -> Floats:
    if not plan.balanced:
        return np.array(plan.weights, np.float64)
    positive = int(task.y[task.train].sum())
    n = len(task.train)
    return np.array([n / (2 * (n - positive)), n / (2 * positive)])


def _train(plan: HeadPlan, y: Tensor, weights: Tensor, copies: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Train heads in one batch.

    Args:
        plan: Settings of all heads.
        y: (heads, n) int64 class of each window.
        weights: (heads, n) float32, 0 outside a training set.
        copies: (copies, n, features) float32.
        seed: Seed of the initial weights and of the dropout.

    Returns:
        (features, heads x outputs) and (heads x outputs,) float32.
    """
    heads, n = y.shape
    features, outputs, settings = copies.shape[-1], plan.outputs, plan.train
    share = (weights / weights.sum(dim=1, keepdim=True)).T[..., None]  # (n, heads, 1)
    expected = torch.nn.functional.one_hot(y.T, 2).float()[..., 2 - outputs :]
    initial = _initial_weights(features, outputs, seed)
    kernel = initial[:, None, :].expand(features, heads, outputs).reshape(features, -1).clone()
    bias = torch.zeros(heads * outputs)
    l1 = settings.l1.strength if settings.l1 else 0.0
    epoch = 0
    for phase in settings.phases or ():
        update = _Update(settings, phase, (kernel, bias))
        for done in range(phase.epochs):
            epoch += 1
            x = _dropout(copies[(epoch - 1) % phase.copies], plan.dropout, (seed, epoch))
            logits = torch.addmm(bias, x, kernel).view(n, heads, outputs)
            probability = logits.softmax(-1) if outputs == 2 else logits.sigmoid()
            error = ((probability - expected) * share).reshape(n, -1)
            gradient = x.T @ error
            if l1:
                gradient += l1 * kernel.sign()
            update((gradient, error.sum(0)), done)
    return kernel, bias


def _initial_weights(features: int, outputs: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    bound = math.sqrt(6 / (features + outputs))  # Xavier's
    return (torch.rand(features, outputs, generator=generator) * 2 - 1) * bound


def _dropout(x: Tensor, rate: float, key: tuple[int, int]) -> Tensor:
    """Apply dropout to the features, the same one for all heads."""
    if not rate:
        return x
    number = np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1)
    mask = torch.rand(x.shape, generator=torch.Generator().manual_seed(int(number))) >= rate
    return x * mask / (1 - rate)


UPDATES = ("adam", "adamw", "sgd")
"""The built-in optimizers that `_Update` computes for many heads at once."""


class _Update:
    """Adam, AdamW or plain gradient descent on some tensors, as in torch."""

    def __init__(self, settings: TrainSettings, phase: PhaseSettings, tensors: tuple[Tensor, Tensor]) -> None:
        self.settings, self.phase, self.tensors = settings, phase, tensors
        self.first = [torch.zeros_like(tensor) for tensor in tensors]
        self.second = [torch.zeros_like(tensor) for tensor in tensors]
        self.schedule = make_schedule(settings.schedule, phase.lr or settings.optimizer.lr)

    def __call__(self, gradients: tuple[Tensor, Tensor], done: int) -> None:
        optimizer = self.settings.optimizer
        lr = self.schedule(_position(done, self.phase.epochs))
        decay = optimizer.weight_decay
        for tensor, gradient, first, second in zip(self.tensors, gradients, self.first, self.second, strict=True):
            if optimizer.use == "adamw":
                tensor.mul_(1 - lr * decay)
            elif decay:
                gradient = gradient.add(tensor, alpha=decay)
            if optimizer.use == "sgd":
                tensor.sub_(gradient, alpha=lr)
                continue
            beta1, beta2 = optimizer.options["betas"]
            first.lerp_(gradient, 1 - beta1)
            second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            step = done + 1
            size = second.sqrt().div_(math.sqrt(1 - beta2**step)).add_(optimizer.options["eps"])
            tensor.addcdiv_(first, size, value=-lr / (1 - beta1**step))
