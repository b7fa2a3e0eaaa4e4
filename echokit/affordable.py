"""Whether a recipe can be computed at all: what trains models by the hundred needs heads on a frozen backbone."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from echokit.errors import EchokitError
from echokit.frozen import only_heads
from echokit.recipe.search import search_of

if TYPE_CHECKING:
    from echokit.cohort.cohort import Fold
    from echokit.fold import Compute, Material
    from echokit.recipe.recipe import Recipe

TRIED_CLIPS = 4
FROZEN = "train.phases: [{name: head, train: [head], epochs: 20}]"


def many_models(recipe: Recipe, folds: int) -> int:
    """How many models a recipe trains that is only for frozen backbones; 0 for any other.

    Args:
        recipe: The recipe.
        folds: Of its resampler.
    """
    shuffles = recipe.controls.permutations if recipe.controls else 0
    if not shuffles and not getattr(recipe.resample.component.load(), "frozen_only", False):
        return 0
    configurations = math.prod(len(values) for values in search_of(recipe).values())
    inner = int(getattr(recipe.resample.values, "inner", 0)) if configurations > 1 else 0
    per_fold = configurations * inner + 1
    repeats = int(getattr(recipe.resample.values, "repeats", 1))
    permuted = min(recipe.controls.permutation_repeats, repeats) if recipe.controls else 0
    return per_fold * (folds + shuffles * permuted * folds // repeats)


def refuse_many(models: int, recipe: Recipe, material: Material, fold: Fold, compute: Compute) -> None:
    """Refuse to train so many models, and say how long it would take.

    Raises:
        EchokitError: Always.
    """
    what = f"the resampler {recipe.resample.name!r}"
    if recipe.controls and recipe.controls.permutations:
        what += f" with {recipe.controls.permutations} permutations"
    if only_heads(recipe.train):
        raise EchokitError(
            f"{what} trains {models:,} heads on one backbone, and here every fold has another one: it starts at random "
            "or is normalised by its own training part",
            hint="start from weights of the whole backbone that carry their normalisation: model.weights: run:NAME",
            where="model.weights",
        )
    seconds = models * recipe.train.epochs * len(fold.train) * seconds_a_clip(recipe, material, fold, compute)
    raise EchokitError(
        f"{what} trains {models:,} models, which with all of the network would take about {in_words(seconds)} on this "
        f"machine ({recipe.train.epochs} epochs of {len(fold.train)} clips each; one step was measured)",
        hint=f"freeze the backbone: {FROZEN}",
        where="train.phases",
    )


def seconds_a_clip(recipe: Recipe, material: Material, fold: Fold, compute: Compute) -> float:
    """Measure one training step of the whole model."""
    import torch

    from echokit.fold import assemble, shapes_of
    from echokit.sampling.windows import Windows
    from echokit.training.data import batches, norm_statistics, of_cases

    windows: Windows = recipe.clip.build()(material.clips.lengths, "train", 0, recipe.seed)
    few = of_cases(windows, fold.train[:TRIED_CLIPS])
    norms = norm_statistics(material.clips, few)
    objective = recipe.objective.build()(material.targets)
    model = assemble(recipe, shapes_of(material.clips, few.frames.shape[1]), objective.outputs, norms, 0)
    model.to(compute.device).train()
    [batch] = batches(material.clips, few, np.arange(len(few)), len(few), compute.device)
    y = torch.from_numpy(material.targets.y_true[batch.rows]).to(compute.device)
    value = torch.from_numpy(material.targets.value[batch.rows].astype(np.float32)).to(compute.device)
    taken = []
    for _ in range(2):
        started = time.perf_counter()
        with compute.precision.context(compute.device):
            outputs = model(batch.streams, batch.valid)
        total, weight = objective.loss(outputs.float(), y, value)
        torch.autograd.backward(total / weight)
        weight.item()  # waits for the device
        taken.append(time.perf_counter() - started)
    return min(taken) / len(few)


def in_words(seconds: float) -> str:
    """A length of time to be told: ``40 minutes``, ``17 hours``, ``12 days``."""
    for unit, size, most in (("seconds", 1, 120), ("minutes", 60, 120), ("hours", 3600, 72)):
        if seconds < size * most:
            return f"{max(1, round(seconds / size)):,} {unit}"
    return f"{seconds / 86400:,.0f} days"
