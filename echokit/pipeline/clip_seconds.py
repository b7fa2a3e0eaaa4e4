"""Seconds of one clip on this machine, measured on a few."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from echokit.data.cohort.cohort import Fold
from echokit.models.norm import raw
from echokit.pipeline.build_model import ModelSpec, build_model_from_recipe
from echokit.pipeline.prepared_cohort import PreparedCohort

if TYPE_CHECKING:
    from echokit.training.hardware.device import Compute
    from echokit.training.phases import Phase

MEASURED_CLIPS = 4
"""Clips of a timed step on a CPU; a GPU gets a whole batch, as a small one would not fill it."""
REPEATS = 2


@dataclass(frozen=True)
class ClipSeconds:
    """Seconds of one clip, measured.

    Attributes:
        train: Of a training step, for each phase that trains more than the head.
        score: Of a pass without gradients.
    """

    train: Mapping[str, float]
    score: float


def clip_seconds(
    dataset: PreparedCohort, spec: ModelSpec, fold: Fold, compute: Compute, phases: Sequence[Phase]
) -> ClipSeconds:
    """Time a step of each phase, and a pass without gradients.

    The model is a new one; the caller's random state is left alone.

    Args:
        dataset: Gives a few clips.
        spec: Input shapes and outputs of the model.
        fold: Its first training clips are used.
        compute: Device and precision.
        phases: The phases of the fold.
    """
    import torch

    from echokit.training.batches.batches import batches, select_cases
    from echokit.training.hardware.conv3d_fix import avoid_conv3d_gradient_bug
    from echokit.training.hardware.device import reproducible
    from echokit.training.model_parts import evaluating, set_mode, set_trained

    recipe, device = dataset.recipe, compute.device
    most = recipe.train.batch_size if device.type == "cuda" else min(recipe.train.batch_size, MEASURED_CLIPS)
    windows = select_cases(spec.windows, fold.train[:most])
    windows = windows.at(np.arange(min(most, len(windows))))
    norms = {name: raw(shape.channels) for name, shape in spec.shapes.items()}
    model = build_model_from_recipe(recipe, spec.shapes, spec.outputs, norms, 0).to(device)
    order = np.arange(len(windows))
    reading = time.perf_counter()
    [batch] = batches(dataset.clips, windows, order, len(windows), device)
    read = time.perf_counter() - reading
    objective = recipe.objective.build()(dataset.targets)
    y = torch.from_numpy(dataset.targets.y_true[batch.rows]).to(device)
    value = torch.from_numpy(dataset.targets.value[batch.rows].astype(np.float32)).to(device)

    def step() -> None:
        with compute.precision.context(device):
            outputs = model(batch.streams, batch.valid)
        total, weight = objective.loss(outputs.float(), y, value)
        torch.autograd.backward(total / weight)
        total.item()  # waits for the device

    def pass_without_gradients() -> None:
        with evaluating(model), torch.inference_mode(), compute.precision.context(device):
            model(batch.streams, batch.valid).sum().item()

    train = {}
    with (
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        reproducible(device, recipe.train.deterministic),
        compute.precision.rounding(device),
        avoid_conv3d_gradient_bug(model, device),
    ):
        for phase in phases:
            if not phase.head_only:
                set_trained(model, phase.parts, phase.bn)
                set_mode(model, phase.parts, phase.bn)
                train[phase.name] = max(_seconds(step), read) / len(windows)
        return ClipSeconds(train, max(_seconds(pass_without_gradients), read) / len(windows))


def _seconds(work: Callable[[], None]) -> float:
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def format_duration(seconds: float) -> str:
    """Format a duration: ``40 minutes``, ``17 hours``, ``12 days``."""
    for unit, size, most in (("seconds", 1, 120), ("minutes", 60, 120), ("hours", 3600, 72)):
        if seconds < size * most:
            return f"{max(1, round(seconds / size)):,} {unit}"
    return f"{seconds / 86400:,.0f} days"
