"""A backbone that no phase trains: built once for all folds, its features computed once for all cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.fold import Compute, Material, assemble, features_cache, fold_seed, shapes_of
from echokit.models.norm import Norm
from echokit.models.shape import InputShape
from echokit.recipe.recipe import Recipe
from echokit.sampling.windows import Windows
from echokit.starting_weights import StartingWeights
from echokit.training.settings import TrainSettings

if TYPE_CHECKING:
    from torch import Tensor

    from echokit.models.echo_model import EchoModel
    from echokit.models.transfer import WeightReport
    from echokit.training.augmented import Augmentation

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """What a frozen backbone makes of the windows of all cases.

    Attributes:
        case: (n,) int64 case of each training window.
        copies: (copies, n, features) float32, the training windows in their fixed copies.
        scored_case: (m,) int64 case of each window that is scored.
        scored: (m, features) float32.
    """

    case: Integers
    copies: Floats
    scored_case: Integers
    scored: Floats


def only_heads(settings: TrainSettings) -> bool:
    """Whether no phase trains more than the head."""
    return settings.phases is not None and all(set(phase.train) == {"head"} for phase in settings.phases)


class FrozenBackbone:
    """The model of a run whose phases train heads alone; every fold starts a new head on it.

    Args:
        recipe: Its phases train the head alone.
        material: Cases and clips of the whole cohort.
        compute: Device and precision.
        weights: That the backbone has.

    Attributes:
        model: The model; its head is the one that was started last.
        report: What became of the weights.
    """

    def __init__(self, recipe: Recipe, material: Material, compute: Compute, weights: StartingWeights) -> None:
        self._recipe = recipe
        self._material = material
        self._compute = compute
        self.outputs = recipe.objective.build()(material.targets).outputs
        self._sampler = recipe.clip.build()
        windows: Windows = self._sampler(material.clips.lengths, "train", 0, recipe.seed)
        self.shapes: Mapping[str, InputShape] = shapes_of(material.clips, windows.frames.shape[1])
        self.norms: Mapping[str, Norm] = weights.norms(self.shapes, {})
        seed = fold_seed(recipe.seed, 0)
        self.model: EchoModel = assemble(recipe, self.shapes, self.outputs, self.norms, seed)
        self.report: WeightReport = weights.put_into(self.model)
        self.model.to(compute.device)
        keep = weights.settings.head == "keep"
        self._head = {name: tensor.clone() for name, tensor in self.model.head.state_dict().items()} if keep else None

    @property
    def covered(self) -> bool:
        """Whether all of the backbone comes from the weights, and nothing from its random start."""
        from echokit.training.parts import in_part

        given = {*self.report.loaded, *self.report.adapted}
        return all(name in given or in_part(name, "head") for name in self.model.state_dict())

    @cached_property
    def hash(self) -> str:
        """Hash of the backbone."""
        from echokit.training.features import backbone_hash

        return backbone_hash(self.model)

    def start(self, seed: int, dropout: float) -> EchoModel:
        """Give the model with a head at its start: a new one, unless the weights' own is kept.

        Args:
            seed: Of the head's weights.
            dropout: FC dropout.
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
        """Features of all cases, in as many copies as the recipe's phases ask for.

        Args:
            still: Of a single frame: the first of each window in place of all, and no motion.
        """
        recipe = self._recipe
        copies = max(phase.copies for phase in recipe.train.phases or ())
        augment: list[Augmentation] = [use.build() for use in recipe.augment]
        parts = [self._computed("train", copy, augment, still) for copy in range(1, copies + 1)]
        case, scored = self._computed("test", 0, (), still)
        return Features(parts[0][0], np.stack([values for _, values in parts]), case, scored)

    def answers(self, cases: Integers) -> tuple[Integers, Tensor]:
        """The present head's outputs (m, outputs) for the scored windows of some cases, and the case of each."""
        import torch

        from echokit.training.parts import evaluating

        case, values = self._computed("test", 0, (), still=False)
        own = np.isin(case, cases)
        with evaluating(self.model), torch.inference_mode():
            outputs = self.model.answer(torch.from_numpy(values[own]).to(self._compute.device)).float().cpu()
        return case[own], outputs

    def _computed(self, split: str, copy: int, augment: Sequence[Augmentation], still: bool) -> tuple[Integers, Floats]:
        from echokit.training.features import compute_features

        recipe, material = self._recipe, self._material
        # Scored parts are all named "test" and windowed as epoch 0, as in `fold.fit_fold`.
        windows: Windows = self._sampler(material.clips.lengths, split, copy, recipe.seed)
        cache = features_cache(recipe, together=True, cases=len(material.cases))
        values = compute_features(
            self.model,
            material.clips,
            windows,
            backbone=self.hash,
            cache=replace(cache, identity=f"{cache.identity} still") if still else cache,
            device=self._compute.device,
            precision=self._compute.precision,
            batch_size=recipe.train.eval_batch_size or recipe.train.batch_size,
            augment=(*augment, hold_still) if still else augment,
            seed=recipe.seed,
            copy=copy,
        )
        return windows.case, values


def shared_backbone(
    recipe: Recipe, material: Material, compute: Compute, weights: StartingWeights | None
) -> FrozenBackbone | None:
    """The backbone that all folds share; None where one learns, or each fold has its own.

    Each has its own where it starts at random, or is normalised by its own training part.
    """
    if weights is None or not only_heads(recipe.train):
        return None
    sampler = recipe.clip.build()
    windows: Windows = sampler(material.clips.lengths[:1], "train", 0, recipe.seed)
    shapes = shapes_of(material.clips, windows.frames.shape[1])
    if set(shapes) - set(weights.norms(shapes, {})):
        return None
    backbone = FrozenBackbone(recipe, material, compute, weights)
    return backbone if backbone.covered else None


def hold_still(streams: dict[str, Tensor], generator: object) -> dict[str, Tensor]:
    """The first frame in place of all, and no motion."""
    import torch

    return {
        name: stream[:, :, :1].expand_as(stream).contiguous() if name == "video" else torch.zeros_like(stream)
        for name, stream in streams.items()
    }
