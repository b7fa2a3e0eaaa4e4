"""A backbone that no phase trains: built once for all folds, its features computed once for all cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.pipeline.build_model import ModelSpec, build_model_from_recipe, features_cache, fold_seed
from echokit.pipeline.initial_weights import InitialWeights
from echokit.pipeline.prepared_cohort import PreparedCohort
from echokit.training.settings import TrainSettings

if TYPE_CHECKING:
    from torch import Tensor

    from echokit.models.echo_model import EchoModel
    from echokit.models.weights.transfer import WeightReport
    from echokit.training.batches.augment import Augmentation
    from echokit.training.hardware.device import Compute

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """Features of the windows of all cases.

    Attributes:
        case: (n,) int64 case of each training window.
        copies: (copies, n, features) float32, one entry for each augmented copy of the training windows.
        scored_case: (m,) int64 case of each scored window.
        scored: (m, features) float32.
    """

    case: Integers
    copies: Floats
    scored_case: Integers
    scored: Floats


def trains_only_heads(settings: TrainSettings) -> bool:
    """Whether every phase trains the head alone."""
    return settings.phases is not None and all(set(phase.train) == {"head"} for phase in settings.phases)


class FrozenBackbone:
    """The model of a run that trains the head alone, a new one in every fold.

    Args:
        dataset: The whole cohort; the phases of its recipe train the head alone.
        spec: Input shapes and outputs.
        compute: Device and precision.
        weights: Weights of the backbone.

    Attributes:
        model: The model, with the head that was started last.
        norms: Normalisation of each stream.
        report: Which weights were loaded.
    """

    def __init__(self, dataset: PreparedCohort, spec: ModelSpec, compute: Compute, weights: InitialWeights) -> None:
        self._dataset = dataset
        self._compute = compute
        self.outputs = spec.outputs
        self.norms = weights.norms(spec.shapes, {})
        recipe = dataset.recipe
        self.model: EchoModel = build_model_from_recipe(
            recipe, spec.shapes, spec.outputs, self.norms, fold_seed(recipe.seed, 0)
        )
        self.report: WeightReport = weights.load_into(self.model)
        self.model.to(compute.device)
        keep = weights.settings.head == "keep"
        self._head = {name: tensor.clone() for name, tensor in self.model.head.state_dict().items()} if keep else None

    @property
    def fully_loaded(self) -> bool:
        """Whether all of the backbone comes from the initial weights."""
        from echokit.training.model_parts import in_part

        loaded = {*self.report.loaded, *self.report.adapted}
        return all(name in loaded or in_part(name, "head") for name in self.model.state_dict())

    @cached_property
    def hash(self) -> str:
        """Hash of the backbone."""
        from echokit.training.batches.features import backbone_hash

        return backbone_hash(self.model)

    def start_head(self, seed: int, dropout: float) -> EchoModel:
        """Return the model with a new head, or with that of the weights.

        Args:
            seed: Seed of the head's weights.
            dropout: Dropout rate before the head.
        """
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            head = torch.nn.Linear(self.model.head.in_features, self.outputs)
            torch.nn.init.xavier_uniform_(head.weight)
            torch.nn.init.zeros_(head.bias)
        if self._head is not None:
            head.load_state_dict(self._head)
        self.model.head = head.to(self._compute.device)
        self.model.dropout.p = dropout
        return self.model

    def features(self, *, still: bool = False) -> Features:
        """Compute the features of all cases and of their augmented copies.

        Args:
            still: Use the first frame of each window in place of all, and no motion.
        """
        recipe = self._dataset.recipe
        copies = max(phase.copies for phase in recipe.train.phases or ())
        augment: list[Augmentation] = [use.build() for use in recipe.augment]
        parts = [self._compute_features("train", copy, augment, still) for copy in range(1, copies + 1)]
        case, scored = self._compute_features("test", 0, (), still)
        return Features(parts[0][0], np.stack([values for _, values in parts]), case, scored)

    def head_outputs(self, positions: Integers) -> Tensor:
        """Compute the head's outputs (m, outputs) for windows of split "test" by position."""
        import torch

        from echokit.training.model_parts import evaluating

        _, values = self._compute_features("test", 0, (), still=False)
        with evaluating(self.model), torch.inference_mode():
            return self.model.answer(torch.from_numpy(values[positions]).to(self._compute.device)).float().cpu()

    def _compute_features(
        self, split: str, copy: int, augment: Sequence[Augmentation], still: bool
    ) -> tuple[Integers, Floats]:
        from echokit.training.batches.features import FeatureJob, compute_features

        recipe, clips = self._dataset.recipe, self._dataset.clips
        # Every scored case uses the windows of split "test" and epoch 0, as in `fit_fold`.
        windows = self._dataset.windows(split, copy)
        cache = features_cache(recipe, shared=True, cases=len(self._dataset.cases))
        if still:
            cache, augment = replace(cache, identity=f"{cache.identity} still"), (*augment, hold_still)
        batch_size = recipe.train.eval_batch_size or recipe.train.batch_size
        job = FeatureJob(clips, windows, batch_size, augment, recipe.seed, copy)
        values = compute_features(self.model, job, backbone=self.hash, cache=cache, compute=self._compute)
        return windows.case, values


def shared_backbone(
    dataset: PreparedCohort, spec: ModelSpec, compute: Compute, weights: InitialWeights | None
) -> FrozenBackbone | None:
    """Build the backbone that all folds share; None if they cannot share one.

    It is trained, or differs between folds.

    It differs if it starts from random weights, or is normalised by the fold's training set.
    """
    if weights is None or not trains_only_heads(dataset.recipe.train):
        return None
    if set(spec.shapes) - set(weights.norms(spec.shapes, {})):
        return None
    backbone = FrozenBackbone(dataset, spec, compute, weights)
    return backbone if backbone.fully_loaded else None


def hold_still(streams: dict[str, Tensor], generator: object) -> dict[str, Tensor]:
    """Replace every frame by the first one, and the flow by zero."""
    import torch

    return {
        name: stream[:, :, :1].expand_as(stream).contiguous() if name == "video" else torch.zeros_like(stream)
        for name, stream in streams.items()
    }
