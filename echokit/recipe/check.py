"""Checking: from a composed tree to a Recipe, or to every mistake in it with its file and line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from echokit.cohort.target import TargetSettings
from echokit.errors import EchokitError, RecipeError, did_you_mean
from echokit.models.settings import WeightSettings
from echokit.plugins import Installed, installed
from echokit.recipe.compose import compose
from echokit.recipe.control_settings import ControlSettings
from echokit.recipe.recipe import Recipe, Use
from echokit.recipe.report_settings import ReportSettings
from echokit.recipe.tree import Node, merge
from echokit.registry import BUILT_IN, with_article
from echokit.schema import InvalidParameters, Place, validate
from echokit.training.settings import TrainSettings
from echokit.training.track import TRACKERS

Made = TypeVar("Made")

KEYS = {
    "name": "Name of the run directory.",
    "seed": "Seed of everything random.",
    "data": "The dataset.",
    "target": "What is predicted.",
    "preprocess": "What is done to every video, in order.",
    "clip": "Which frames a sample is.",
    "augment": "What is done to a training batch, in order.",
    "model": "Fusion, backbone and starting weights.",
    "objective": "What is learned.",
    "resample": "How the cohort is divided.",
    "train": "How the model is trained.",
    "evaluate": "What is measured.",
    "report": "What is made of the finished run for people to look at.",
    "track": "Who follows the training: tensorboard, mlflow, wandb; history.jsonl is written in any case.",
    "controls": "What the result has to beat, in the same folds.",
}
DATA_KEYS = {"exclude": None, "fallback": None, "max_unreadable": 0.02}
DEFAULTS: dict[str, Any] = {
    "seed": 0,
    "preprocess": [],
    "clip": "window",
    "augment": [],
    "objective": "cross_entropy",
    "resample": "official",
    "evaluate": ["accuracy", "auroc", "auprc"],
    "report": {},
    "track": [],
    "controls": None,
}


def load_recipe(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read, compose and validate a recipe.

    Raises:
        EchokitError: The file can not be read as a strict YAML mapping.
        RecipeError: Carries every mistake, each with its file and line.
    """
    return check(compose(path, overrides))


def check(tree: Node) -> Recipe:
    """Validate a composed tree, its fallback included.

    Raises:
        RecipeError: Carries every mistake, each with its file and line.
    """
    checker = _Checker(tree, installed())
    recipe = checker.recipe()
    if not checker.problems and recipe is not None and recipe.fallback is not None:
        fallback = _Checker(_fallback_tree(tree), checker.installed)
        fallback.recipe()
        checker.problems += fallback.problems
    if checker.problems or recipe is None:
        raise RecipeError(checker.problems)
    return recipe


def with_fallback(recipe: Recipe) -> Recipe:
    """The recipe as it runs when its dataset is absent: on the fallback, with what the fallback sets."""
    return check(_fallback_tree(recipe.tree))


def _fallback_tree(tree: Node) -> Node:
    data = tree.at(("data",))
    fallback = tree.at(("data", "fallback"))
    assert isinstance(tree.value, dict)
    assert isinstance(data.value, dict)
    if isinstance(fallback.value, str):
        fallback = Node({"use": fallback}, fallback.origin)
    if not isinstance(fallback.value, dict):
        return tree
    inside = dict(fallback.value)
    changes = inside.pop("set", None)
    kept = {key: data.value[key] for key in ("max_unreadable",) if key in data.value}
    replaced = Node({**kept, **inside}, fallback.origin)
    base = Node({**tree.value, "data": replaced}, tree.origin)
    return merge(base, changes) if changes is not None else base


class _Checker:
    """Goes through a tree once and collects every problem on the way."""

    def __init__(self, tree: Node, known: Installed) -> None:
        self.tree = tree
        self.installed = known
        self.problems: list[EchokitError] = []

    def problem(self, place: Place, message: str, hint: str | None = None) -> None:
        path = ".".join(str(step) for step in place)
        self.problems.append(EchokitError(f"{path}: {message}", hint=hint, where=str(self.tree.at(place).origin)))

    def recipe(self) -> Recipe | None:
        plain = self.tree.plain()
        if not isinstance(plain, dict):
            raise EchokitError("a recipe is a mapping of keys to values", where=str(self.tree.origin))
        self.known_keys(plain, KEYS, ())
        for key in ("name", "data", "target", "model", "train"):
            if plain.get(key) is None:
                missing = "is empty" if key in plain else "is missing"
                self.problem((key,), f"the key {key!r} {missing}", hint=KEYS[key])
        plain = {key: value for key, value in plain.items() if value is not None or key in DEFAULTS}
        values = {**DEFAULTS, **plain}
        data_own, data_rest = self.split(values.get("data"), DATA_KEYS)
        model_own, model_rest = self.split(values.get("model"), {"backbone": None, "weights": None})
        clip = values["clip"]
        if isinstance(clip, dict) and "use" not in clip:
            clip = {"use": "window", **clip}
        parts = {
            "name": self.scalar("name", values.get("name"), str),
            "seed": self.scalar("seed", values["seed"], int),
            "data": self.use("dataset", data_rest, ("data",)) if "data" in plain else None,
            "exclude": self.optional(("data", "exclude"), data_own["exclude"], str),
            "fallback": self.fallback(data_own["fallback"]),
            "max_unreadable": self.share(("data", "max_unreadable"), data_own["max_unreadable"]),
            "target": self.settings(TargetSettings, values.get("target"), ("target",)) if "target" in plain else None,
            "preprocess": self.uses("preprocessor", values["preprocess"], ("preprocess",)),
            "clip": self.use("sampler", clip, ("clip",)),
            "augment": self.uses("augmentation", values["augment"], ("augment",)),
            "fusion": self.use("fusion", model_rest, ("model",)) if "model" in plain else None,
            "backbone": self.use("backbone", model_own["backbone"], ("model", "backbone"))
            if "model" in plain
            else None,
            "weights": self.weights(model_own["weights"]),
            "objective": self.use("objective", values["objective"], ("objective",)),
            "resample": self.use("resampler", values["resample"], ("resample",)),
            "train": self.settings(TrainSettings, values.get("train"), ("train",)) if "train" in plain else None,
            "evaluate": self.uses("evaluator", values["evaluate"], ("evaluate",)),
            "report": self.settings(ReportSettings, values["report"], ("report",)),
            "track": self.trackers(values["track"]),
            "controls": self.settings(ControlSettings, values["controls"], ("controls",))
            if values["controls"] is not None
            else None,
        }
        if self.problems:
            return None
        recipe = Recipe(tree=self.tree, **parts)
        self.constructed(recipe)
        if self.problems:
            return None
        self.order_of_streams(recipe)
        self.tag_of_weights(recipe)
        self.meaningful_evaluators(recipe)
        self.searched(recipe)
        if not self.problems:
            self.trimmed(recipe)
        return recipe

    def known_keys(self, plain: Mapping[str, Any], known: Mapping[str, Any], place: Place) -> None:
        for key in plain:
            if key not in known:
                hint = did_you_mean(key, known) or f"the keys are {', '.join(known)}"
                self.problem((*place, key), f"unknown key {key!r}", hint)

    def split(self, section: Any, own: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """Part a section into the core's own keys and the parameters of its component."""
        if not isinstance(section, dict):
            return dict(own), section
        return {**own, **{k: v for k, v in section.items() if k in own}}, {
            k: v for k, v in section.items() if k not in own
        }

    def scalar(self, key: str, value: Any, kind: type[Any]) -> Any:
        if type(value) is not kind:
            if value is not None or key == "seed":
                self.problem((key,), f"expected {_words(kind)}, not {value!r}")
        elif key == "name" and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", value):
            self.problem((key,), f"{value!r} can not name a folder", "use letters, digits, '_' and '-'")
        elif key == "seed" and value < 0:
            self.problem((key,), f"expected a whole number from 0 on, not {value!r}")
        return value

    def optional(self, place: Place, value: Any, kind: type) -> Any:
        if value is not None and type(value) is not kind:
            self.problem(place, f"expected {_words(kind)} or null, not {value!r}")
        return value

    def share(self, place: Place, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            self.problem(place, f"expected a share from 0 to 1, not {value!r}")
            return 0.0
        return float(value)

    def fallback(self, value: Any) -> Any:
        if isinstance(value, str):
            return {"use": value}
        if value is not None and not isinstance(value, dict):
            self.problem(("data", "fallback"), f"expected a dataset or null, not {value!r}")
        return value

    def use(self, kind: str, value: Any, place: Place) -> Use | None:
        if isinstance(value, str):
            value = {"use": value}
        if not isinstance(value, dict) or not isinstance(value.get("use"), str):
            known = ", ".join(self.installed.registry.names(kind))
            self.problem(place, f"name {with_article(kind)} here: {{use: name, ...}}", f"the {kind}s are {known}")
            return None
        try:
            component = self.installed.registry.get(kind, value["use"])
            model = component.parameters()
        except EchokitError as error:
            self.problem((*place, "use"), error.message, error.hint)
            return None
        given = {name: inner for name, inner in value.items() if name != "use"}
        return self.fitting(place, lambda: Use(component, validate(model, given)))

    def uses(self, kind: str, values: Any, place: Place) -> tuple[Use | None, ...]:
        if not isinstance(values, list):
            self.problem(place, f"expected a list of {kind}s, not {values!r}")
            return ()
        return tuple(self.use(kind, value, (*place, index)) for index, value in enumerate(values))

    def trackers(self, values: Any) -> tuple[str, ...]:
        if not isinstance(values, list):
            self.problem(("track",), f"expected a list of trackers, not {values!r}", f"of {', '.join(TRACKERS)}")
            return ()
        for index, value in enumerate(values):
            if value not in TRACKERS:
                hint = did_you_mean(str(value), TRACKERS) or f"the trackers are {', '.join(TRACKERS)}"
                self.problem(("track", index), f"there is no tracker {value!r}", hint)
        return tuple(dict.fromkeys(values))

    def settings(self, model: type[BaseModel], value: Any, place: Place) -> Any:
        if not isinstance(value, dict):
            self.problem(place, f"expected a mapping, not {value!r}")
            return None
        return self.fitting(place, lambda: validate(model, value))

    def fitting(self, place: Place, make: Callable[[], Made]) -> Made | None:
        try:
            return make()
        except InvalidParameters as invalid:
            for problem in invalid.problems:
                self.problem((*place, *problem.place), problem.message, problem.hint)
            return None

    def weights(self, value: Any) -> WeightSettings | None:
        if value is None:
            return None
        place = ("model", "weights")
        given = {"use": value} if isinstance(value, str) else value
        settings: WeightSettings | None = self.settings(WeightSettings, given, place)
        return settings

    def tag_of_weights(self, recipe: Recipe) -> None:
        """A word that is no run and no file is a tag of the backbone's library."""
        weights = recipe.weights
        if weights is None or weights.kind != "tag":
            return
        if not hasattr(recipe.backbone.component.load(), "pretrained"):
            self.problem(
                ("model", "weights"),
                f"{weights.use!r} is no run and no file, and no library has weights of {recipe.backbone.name!r}",
                "name a run (run:NAME) or a file (PATH.safetensors)",
            )

    def meaningful_evaluators(self, recipe: Recipe) -> None:
        """A resampler whose folds are too small for most evaluators names those that mean something."""
        allowed = getattr(recipe.resample.component.load(), "evaluators", None)
        for index, use in enumerate(recipe.evaluate):
            if allowed is not None and use.name not in allowed:
                self.problem(
                    ("evaluate", index),
                    f"{use.name!r} means nothing with the folds of {recipe.resample.name!r}",
                    f"use {' or '.join(map(repr, allowed))} with it, or another resampler",
                )

    def searched(self, recipe: Recipe) -> None:
        """Every combination of a search is a valid recipe, and there is something to choose from."""
        from echokit.recipe.search import configurations

        if "search" not in type(recipe.resample.values).model_fields:
            return
        place = ("resample", "search")
        try:
            if len(configurations(recipe)) < 2:
                self.problem(place, "there is nothing to choose from", "give a hyperparameter and two values or more")
        except RecipeError as invalid:
            for problem in invalid.problems:
                self.problem(place, problem.message, problem.hint)
        except EchokitError as error:
            self.problem(place, error.message, error.hint)

    def constructed(self, recipe: Recipe) -> None:
        """Parameters that contradict one another are heard of when a component is made; it is not called."""
        single: dict[Place, Use] = {
            ("data",): recipe.data,
            ("clip",): recipe.clip,
            ("model",): recipe.fusion,
            ("model", "backbone"): recipe.backbone,
            ("objective",): recipe.objective,
            ("resample",): recipe.resample,
        }
        lists = {"preprocess": recipe.preprocess, "augment": recipe.augment, "evaluate": recipe.evaluate}
        several: dict[Place, Use] = {(key, index): use for key, uses in lists.items() for index, use in enumerate(uses)}
        for place, use in {**single, **several}.items():
            try:
                use.build()
            except EchokitError as error:
                self.problem(place, error.message, error.hint)
            except (TypeError, ValueError) as error:  # a plugin's own words
                self.problem(place, f"{use.name!r} refuses its parameters: {error}")

    def trimmed(self, recipe: Recipe) -> None:
        """A window that is longer than what trim leaves would be padded in every clip."""
        frames = getattr(recipe.clip.build(), "frames", None)
        left: int | None = None
        for use in recipe.preprocess:
            if use.name == "trim":
                left = use.params["frames"] if left is None else min(left, use.params["frames"])
            elif use.name == "resample" or use.component.plugin != BUILT_IN:
                left = None  # it may give more frames than it gets
        span = 0 if frames is None else (frames - 1) * recipe.clip.params.get("period", 1) + 1
        if left is not None and span > left:
            self.problem(
                ("clip",),
                f"a window spans {span} frames, and trim leaves {left}: every clip would be padded",
                f"trim to {span} frames or more, or take shorter windows",
            )

    def order_of_streams(self, recipe: Recipe) -> None:
        """Streams are derived last: a frame-changing step after them would leave them stale."""
        deriving: str | None = None
        streams = {"video"}
        for index, use in enumerate(recipe.preprocess):
            stream = getattr(use.component.load(), "derives", None)
            if stream is not None:
                deriving = use.name
                streams.add(stream)
            elif deriving is not None:
                self.problem(
                    ("preprocess", index),
                    f"{use.name!r} changes the frames after {deriving!r} has derived a stream from them",
                    f"put {use.name!r} before {deriving!r}",
                )
        fps = recipe.clip.params.get("fps")
        rates = [use.params["fps"] for use in recipe.preprocess if use.name == "resample"]
        if fps is not None and (not rates or rates[-1] != fps):
            now = f"resample makes them {rates[-1]:g}" if rates else "each clip keeps its own rate"
            self.problem(
                ("clip", "fps"),
                f"a window in seconds needs clips of {fps:g} frames per second; {now}",
                f"put {{use: resample, fps: {fps:g}}} into preprocess",
            )
        period = recipe.clip.params.get("period", 1)
        if "flow" in streams and period != 1:
            self.problem(
                ("clip", "period"),
                f"with flow the period is 1, not {period}",
                "to skip frames put 'resample' before 'optical_flow'",
            )
        needed = getattr(recipe.fusion.component.load(), "streams", ())
        for stream in needed:
            if stream not in streams:
                self.problem(
                    ("model",),
                    f"{recipe.fusion.name!r} needs the stream {stream!r}, which no preprocessor derives",
                    "add 'optical_flow' at the end of preprocess" if stream == "flow" else None,
                )


def _words(kind: type) -> str:
    return {str: "text", int: "a whole number", float: "a number"}[kind]
