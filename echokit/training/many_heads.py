"""Many heads on the same features at once: what a search, a permutation test or a canary needs by the thousand.

A head is a dense layer, and one training of it differs from another only in the labels and in which windows count. So
the weights of all of them are the columns of one matrix, and a step of all is two matrix products. Each learns what
`echokit.training.head.fit_head` would teach it in steps of the whole training part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from echokit.errors import EchokitError
from echokit.training.device import one_thread
from echokit.training.schedule import Place, learning_rate
from echokit.training.settings import PhaseSettings, TrainSettings

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
WIDE = 64  # heads at once that are worth more than one thread
AT_ONCE = 512
"""Heads in one matrix: more gain nothing, and need memory."""


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """How a head is trained.

    Attributes:
        train: Its phases, all of the head alone.
        dropout: FC dropout.
        balanced: Whether both classes weigh the same; `weights` otherwise.
        weights: Of class 0 and class 1.
        outputs: 1 or 2 logits.
        remove_shift: Whether the score is without the shift that class weights bring.
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
        y: (cases,) int64 classes of all cases, as this head is taught them.
        train: (n,) int64 cases of its training part, of both classes.
    """

    y: Integers
    train: Integers


def require_plain(settings: TrainSettings, windows: int) -> None:
    """Refuse what only the training of single heads can do.

    Args:
        settings: How heads are to be trained.
        windows: Most windows of a training part.

    Raises:
        EchokitError: Naming the first such setting.
    """
    optimizer = settings.optimizer
    not_known: dict[str, bool] = {
        "ema": settings.ema is not None,
        "early_stop": settings.early_stop is not None,
        "clip_gradients": settings.clip_gradients is not None,
        "layer_decay": settings.layer_decay is not None,
        "keep": settings.keep != "last",
        "schedule": settings.schedule.use == "plateau",
        "optimizer": optimizer.use not in ("adam", "adamw", "sgd")
        or any(optimizer.options.get(name) for name in ("amsgrad", "momentum", "dampening", "nesterov")),
        "l1.on": settings.l1 is not None and tuple(settings.l1.on) != ("head",),
    }
    for name, there in not_known.items():
        if there:
            raise EchokitError(
                f"heads that are chosen inside folds, or trained on shuffled labels, are trained many at once, which "
                f"does not know this train.{name}",
                hint="use adam, adamw or plain sgd, keep: last, and leave out ema, early_stop, clip_gradients, "
                "layer_decay and plateau",
                where=f"train.{name}",
            )
    if settings.batch_size * settings.accumulate < windows:
        raise EchokitError(
            f"heads that are trained many at once take steps of the whole training part, of up to {windows} clips, and "
            f"a step here is of {settings.batch_size * settings.accumulate}",
            hint=f"train.batch_size: {windows} or more; train.eval_batch_size then says how many clips go through the "
            "backbone at a time",
            where="train.batch_size",
        )


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
    """Train one head a task, and score all cases with each.

    Args:
        plan: How all of them are trained.
        tasks: One a head.
        case: (n,) int64 case of each training window.
        copies: (copies, n, features) float32; the epochs take the copies in turn.
        scored_case: (m,) int64 case of each window that is scored.
        scored: (m, features) float32.
        seed: Of the start and of the dropout, which all heads share.

    Returns:
        (tasks, cases) float64: probability of class 1, the mean over the windows of a case.
    """
    cases = len(tasks[0].y) if tasks else 0
    windows = np.maximum(np.bincount(scored_case, minlength=cases), 1)
    found = [np.empty((0, cases))]
    for start in range(0, len(tasks), AT_ONCE):
        part = tasks[start : start + AT_ONCE]
        y = np.stack([task.y for task in part])
        chosen = np.zeros(y.shape, bool)
        for row, task in enumerate(part):
            chosen[row, task.train] = True
        classes = np.stack([_class_weights(plan, task) for task in part])
        weights = np.take_along_axis(classes, y, axis=1) * chosen
        with one_thread() if len(part) < WIDE else nullcontext():
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
        found.append((sums / windows[:, None]).T)
    return np.concatenate(found)


def _class_weights(plan: HeadPlan, task: HeadTask) -> Floats:
    if not plan.balanced:
        return np.array(plan.weights, np.float64)
    positive = int(task.y[task.train].sum())
    n = len(task.train)
    return np.array([n / (2 * (n - positive)), n / (2 * positive)])


def _train(plan: HeadPlan, y: Tensor, weights: Tensor, copies: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Train heads together.

    Args:
        plan: How.
        y: (heads, n) int64 class of each window.
        weights: (heads, n) float32, 0 outside a training part.
        copies: (copies, n, features) float32.
        seed: Of the start and of the dropout.

    Returns:
        (features, heads x outputs) and (heads x outputs,) float32.
    """
    heads, n = y.shape
    features, outputs, settings = copies.shape[-1], plan.outputs, plan.train
    share = (weights / weights.sum(dim=1, keepdim=True)).T[..., None]  # (n, heads, 1)
    wanted = torch.nn.functional.one_hot(y.T, 2).float()[..., 2 - outputs :]
    one = _start(features, outputs, seed)
    kernel = one[:, None, :].expand(features, heads, outputs).reshape(features, -1).clone()
    bias = torch.zeros(heads * outputs)
    l1 = settings.l1.strength if settings.l1 else 0.0
    epoch = 0
    for phase in settings.phases or ():
        update = _Update(settings, phase, (kernel, bias))
        for done in range(phase.epochs):
            epoch += 1
            x = _dropped(copies[(epoch - 1) % phase.copies], plan.dropout, (seed, epoch))
            logits = torch.addmm(bias, x, kernel).view(n, heads, outputs)
            said = logits.softmax(-1) if outputs == 2 else logits.sigmoid()
            error = ((said - wanted) * share).reshape(n, -1)
            gradient = x.T @ error
            if l1:
                gradient += l1 * kernel.sign()
            update((gradient, error.sum(0)), done)
    return kernel, bias


def _start(features: int, outputs: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    bound = math.sqrt(6 / (features + outputs))  # Xavier's, as every head starts
    return (torch.rand(features, outputs, generator=generator) * 2 - 1) * bound


def _dropped(x: Tensor, rate: float, key: tuple[int, int]) -> Tensor:
    """Drop features, the same ones for all heads: differences between them are then no luck of the draw."""
    if not rate:
        return x
    number = np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1)
    kept = torch.rand(x.shape, generator=torch.Generator().manual_seed(int(number))) >= rate
    return x * kept / (1 - rate)


class _Update:
    """Adam, AdamW or plain gradient descent on some tensors, as torch has them."""

    def __init__(self, settings: TrainSettings, phase: PhaseSettings, tensors: tuple[Tensor, Tensor]) -> None:
        self.settings, self.phase, self.tensors = settings, phase, tensors
        self.first = [torch.zeros_like(tensor) for tensor in tensors]
        self.second = [torch.zeros_like(tensor) for tensor in tensors]

    def __call__(self, gradients: tuple[Tensor, Tensor], done: int) -> None:
        optimizer: Any = self.settings.optimizer
        place = Place(done, self.phase.epochs, 0, 1)
        lr = learning_rate(self.settings.schedule, self.phase.lr or optimizer.lr, place)
        decay = optimizer.weight_decay
        for tensor, gradient, first, second in zip(self.tensors, gradients, self.first, self.second, strict=True):
            if optimizer.use == "adamw":
                tensor.mul_(1 - lr * decay)
            elif decay:
                gradient = gradient.add(tensor, alpha=decay)
            if optimizer.use == "sgd":
                tensor.sub_(gradient, alpha=lr)
                continue
            one, two = optimizer.options["betas"]
            first.lerp_(gradient, 1 - one)
            second.mul_(two).addcmul_(gradient, gradient, value=1 - two)
            step = done + 1
            size = second.sqrt().div_(math.sqrt(1 - two**step)).add_(optimizer.options["eps"])
            tensor.addcdiv_(first, size, value=-lr / (1 - one**step))
