"""Recipe: all names are registered components, all parameters are valid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from echokit.data.cohort.target import TargetSettings
from echokit.models.weights.settings import WeightSettings
from echokit.plugins.component_config import Use
from echokit.recipe.control_settings import ControlSettings
from echokit.recipe.report_settings import ReportSettings
from echokit.recipe.tree import Node
from echokit.training.settings import TrainSettings


@dataclass(frozen=True)
class Recipe:
    """A validated recipe. The user's guide describes each key."""

    name: str
    seed: int
    data: Use
    exclude: str | None
    fallback: Mapping[str, Any] | None
    max_unreadable: float
    target: TargetSettings
    preprocess: tuple[Use, ...]
    clip: Use
    augment: tuple[Use, ...]
    fusion: Use
    backbone: Use
    weights: WeightSettings | None
    objective: Use
    resample: Use
    train: TrainSettings
    evaluate: tuple[Use, ...]
    report: ReportSettings
    track: tuple[str, ...]
    controls: ControlSettings | None
    tree: Node

    def uses(self) -> Iterator[Use]:
        """List all components of the recipe."""
        yield from (self.data, *self.preprocess, self.clip, *self.augment, self.fusion, self.backbone)
        yield from (self.objective, self.resample, *self.evaluate)

    def plain(self) -> dict[str, Any]:
        """Return the whole recipe with all defaults, as written in a lock."""
        weights = self.weights and self.weights.model_dump(mode="json")
        model = {**self.fusion.plain(), "backbone": self.backbone.plain(), "weights": weights}
        data = {
            **self.data.plain(),
            "exclude": self.exclude,
            "fallback": self.fallback,
            "max_unreadable": self.max_unreadable,
        }
        return {
            "name": self.name,
            "seed": self.seed,
            "data": data,
            "target": self.target.model_dump(mode="json", by_alias=True, exclude_none=True),
            "preprocess": [use.plain() for use in self.preprocess],
            "clip": self.clip.plain(),
            "augment": [use.plain() for use in self.augment],
            "model": model,
            "objective": self.objective.plain(),
            "resample": self.resample.plain(),
            "train": self.train.model_dump(mode="json"),
            "evaluate": [use.plain() for use in self.evaluate],
            "report": self.report.model_dump(mode="json"),
            "track": list(self.track),
            "controls": self.controls and self.controls.model_dump(mode="json"),
        }
