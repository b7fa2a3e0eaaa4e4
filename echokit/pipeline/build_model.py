"""Build the model of a recipe: its input shapes, its outputs, its seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from echokit.data.sampling.windows import Windows
from echokit.models.input_shape import InputShape
from echokit.plugins.component import BUILT_IN
from echokit.recipe.recipe import Recipe
from echokit.system.cache_folder import cache_folder_path
from echokit.system.hashing import digest

if TYPE_CHECKING:
    from echokit.models.echo_model import EchoModel
    from echokit.models.norm import Norm
    from echokit.pipeline.prepared_cohort import PreparedCohort
    from echokit.training.batches.features import FeatureCache


@dataclass(frozen=True)
class ModelSpec:
    """What the clips and the objective of a run ask of its model.

    Attributes:
        shapes: Shape of each input stream.
        outputs: Outputs of the head.
        windows: The training windows of all cases in epoch 0; normalisation is computed from them.
    """

    shapes: Mapping[str, InputShape]
    outputs: int
    windows: Windows


def model_spec(dataset: PreparedCohort) -> ModelSpec:
    """Derive the input shapes and outputs of the model from the prepared clips."""
    recipe, clips = dataset.recipe, dataset.clips
    windows = dataset.windows("train")
    frames = windows.frames.shape[1]
    height, width = clips.size
    shapes = {
        stream: InputShape(channels, frames if stream == "video" else frames - 1, height, width)
        for stream, channels in clips.channels.items()
    }
    return ModelSpec(shapes, recipe.objective.build()(dataset.targets).outputs, windows)


def infer_input_shapes(recipe: Recipe) -> dict[str, InputShape] | None:
    """Derive the input shapes from the recipe; None if videos decide them.

    They are known with a ``resize``, a number of frames, and no preprocessor of a plugin, which might change them.
    """
    frames = getattr(recipe.clip.build(), "frames", None)
    sizes = [use.params["size"] for use in recipe.preprocess if use.component.is_built_in("resize")]
    if frames is None or not sizes or any(use.component.plugin != BUILT_IN for use in recipe.preprocess):
        return None
    side = sizes[-1]
    shapes = {"video": InputShape(1, frames, side, side)}
    if any(getattr(use.component.load(), "derives", None) == "flow" for use in recipe.preprocess):
        shapes["flow"] = InputShape(2, frames - 1, side, side)
    return shapes


def build_model_from_recipe(
    recipe: Recipe, shapes: Mapping[str, InputShape], outputs: int, norms: Mapping[str, Norm], seed: int
) -> EchoModel:
    """Build the model of a recipe with random weights from the seed."""
    from echokit.models.echo_model import build_model

    return build_model(recipe.fusion.build(), recipe.backbone.build(), shapes, outputs, norms, seed)


def dropout_rate(recipe: Recipe) -> float:
    """Dropout rate of a recipe's model before its head."""
    return float(getattr(recipe.fusion.values, "dropout", 0.0))


def fold_seed(seed: int, fold: int) -> int:
    """Derive the seed of one fold's model: folds start from different weights."""
    return int(np.random.SeedSequence([seed, fold]).generate_state(1)[0])


def features_cache(recipe: Recipe, *, shared: bool, cases: int) -> FeatureCache:
    """Locate cached features by everything else that they depend on.

    Weights, clips and windows are in their own keys.

    Args:
        recipe: Its fusion, backbone and augmentations compute the features; dropout comes after them.
        shared: Whether features are computed for all cases at once, because several folds need them.
        cases: Number of cases.
    """
    from echokit.training.batches.features import FeatureCache

    uses = (recipe.fusion, recipe.backbone, *recipe.augment)
    code = [use.code_hash() for use in uses]
    model = [use.identity() | {"dropout": None} for use in uses[:2]]
    identity = digest([model, [use.identity() for use in recipe.augment], code])
    return FeatureCache(cache_folder_path() / "features", identity, np.arange(cases) if shared else None)
