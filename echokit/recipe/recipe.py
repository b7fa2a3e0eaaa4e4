"""Recipe: all names are registered components, all parameters are valid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from echokit.data.cohort.target import TargetSettings
from echokit.models.weights.settings import WeightSettings
from echokit.plugins.component import BUILT_IN
from echokit.plugins.component_config import ComponentConfig
from echokit.recipe.control_settings import ControlSettings
from echokit.recipe.report_settings import ReportSettings
from echokit.recipe.tree import Node
from echokit.training.callback import only_watches
from echokit.training.settings import TrainSettings


@dataclass(frozen=True)
class Recipe:
    """A validated recipe. The user's guide describes each key."""

    name: str
    seed: int
    data: ComponentConfig
    exclude: str | None
    fallback: Mapping[str, Any] | None
    max_unreadable: float
    target: TargetSettings
    preprocess: tuple[ComponentConfig, ...]
    clip: ComponentConfig
    augment: tuple[ComponentConfig, ...]
    fusion: ComponentConfig
    backbone: ComponentConfig
    weights: WeightSettings | None
    objective: ComponentConfig
    resample: ComponentConfig
    train: TrainSettings
    evaluate: tuple[ComponentConfig, ...]
    report: ReportSettings
    callbacks: tuple[ComponentConfig, ...]
    track: tuple[ComponentConfig, ...]
    controls: ControlSettings | None
    epoch_metrics: Mapping[str, ComponentConfig]
    """The evaluators that ``train.keep`` and ``train.early_stop`` name, by their number in the history."""
    tree: Node

    def uses(self) -> Iterator[ComponentConfig]:
        """List all components of the recipe, with those that are parameters of others.

        Of optimizers and schedules only those of plugins: echokit's own are a part of its training. The callbacks that
        only watch come last.
        """
        named = (self.data, *self.preprocess, self.clip, *self.augment, self.fusion, self.backbone)
        training = (use for use in self.train.components().values() if use.component.plugin != BUILT_IN)
        more = [use for use in self.epoch_metrics.values() if all(use is not other for other in self.evaluate)]
        for use in (*named, self.objective, self.resample, *self.evaluate, *training, *more, *self.all_callbacks):
            yield from use.with_inner()

    @property
    def evaluators(self) -> list[ComponentConfig]:
        """The metrics among ``evaluate``."""
        return [use for use in self.evaluate if use.component.kind == "evaluator"]

    @property
    def aggregators(self) -> list[ComponentConfig]:
        """What ``evaluate`` names to combine metrics over folds; empty for the default."""
        return [use for use in self.evaluate if use.component.kind == "aggregator"]

    @property
    def all_callbacks(self) -> tuple[ComponentConfig, ...]:
        """All callbacks, also of ``track``; those that only watch last, none twice."""
        found: dict[str, ComponentConfig] = {}
        for use in (*self.callbacks, *self.track):
            found.setdefault(json.dumps(use.to_dict()), use)
        return tuple(sorted(found.values(), key=lambda use: only_watches(use.component.load())))

    def without_watchers(self) -> Recipe:
        """Return the recipe without the callbacks that only watch, which change no result."""
        deciding = tuple(use for use in self.all_callbacks if not only_watches(use.component.load()))
        return replace(self, callbacks=deciding, track=())

    def check_files(self) -> None:
        """Read every file that a component needs.

        Raises:
            DataError: A file cannot be read.
        """
        for use in self.uses():
            use.files()

    def to_dict(self, of: Callable[[ComponentConfig], dict[str, Any]] = ComponentConfig.to_dict) -> dict[str, Any]:
        """Return the whole recipe with all defaults, as written in a lock.

        Args:
            of: How a component is written.
        """
        weights = self.weights and self.weights.model_dump(mode="json")
        model = {**of(self.fusion), "backbone": of(self.backbone), "weights": weights}
        data = {
            **of(self.data),
            "exclude": self.exclude,
            "fallback": self.fallback,
            "max_unreadable": self.max_unreadable,
        }
        train = self.train.model_dump(mode="json")
        for key, use in self.train.components().items():
            train[key] |= of(use)
        return {
            "name": self.name,
            "seed": self.seed,
            "data": data,
            "target": self.target.model_dump(mode="json", by_alias=True, exclude_none=True),
            "preprocess": [of(use) for use in self.preprocess],
            "clip": of(self.clip),
            "augment": [of(use) for use in self.augment],
            "model": model,
            "objective": of(self.objective),
            "resample": of(self.resample),
            "train": train,
            "evaluate": [of(use) for use in self.evaluate],
            "report": self.report.model_dump(mode="json"),
            "callbacks": [of(use) for use in self.callbacks],
            "track": [use.component.full_name for use in self.track],
            "controls": self.controls and self.controls.model_dump(mode="json"),
        }
