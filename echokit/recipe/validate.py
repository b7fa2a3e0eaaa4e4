"""Validation: from a composed tree to a Recipe, or to all its mistakes with file and line."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from echokit.data.cohort.target import TargetSettings
from echokit.errors import DataError, EchokitError, RecipeError, did_you_mean
from echokit.evaluation.evaluation import EVALUATE
from echokit.models.weights.settings import WeightSettings
from echokit.plugins.component import BUILT_IN
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.discovery import installed
from echokit.plugins.foreign_code import describe_exception, output_to_stderr
from echokit.plugins.parameters import InvalidParameters, KeyPath, validate
from echokit.plugins.registry import Registry
from echokit.recipe.compose import apply_override, compose
from echokit.recipe.consistency import inconsistencies, lacks_validation, padded_windows
from echokit.recipe.control_settings import ControlSettings
from echokit.recipe.fallback import fallback_tree
from echokit.recipe.recipe import Recipe
from echokit.recipe.report_settings import ReportSettings
from echokit.recipe.search import SEARCHED, Candidate, searched_hyperparameters
from echokit.recipe.section_checker import SectionChecker
from echokit.recipe.tree import Node
from echokit.training.callback import Callback, only_watches
from echokit.training.settings import TrainSettings

KEYS = {
    "name": "Name of the run directory.",
    "seed": "Random seed.",
    "data": "The dataset.",
    "target": "What is predicted.",
    "preprocess": "Preprocessing steps of every video, in order.",
    "clip": "How windows of frames are sampled from a clip.",
    "augment": "Augmentations of training batches, in order.",
    "model": "Fusion, backbone and initial weights.",
    "objective": "Loss, outputs and scores.",
    "resample": "How the cohort is split into training, validation and test sets.",
    "train": "Settings of the training.",
    "evaluate": "Metrics, and how they are combined over folds: evaluators and aggregators.",
    "report": "Settings of the report.",
    "callbacks": "What follows the training, and may stop it.",
    "track": "Short for callbacks that only watch: tensorboard, mlflow, wandb; history.jsonl is always written.",
    "controls": "Negative controls and baselines in the same folds.",
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
    "callbacks": [],
    "track": [],
    "controls": None,
}


def load_recipe(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read, compose and validate a recipe.

    Raises:
        EchokitError: The file cannot be read as a strict YAML mapping.
        RecipeError: Carries all mistakes, each with its file and line.
    """
    return check(compose(path, overrides))


def check(tree: Node) -> Recipe:
    """Validate a composed tree, its fallback included.

    Raises:
        RecipeError: Carries all mistakes, each with its file and line.
    """
    checker = _Checker(tree, installed())
    recipe = checker.recipe()
    if not checker.problems and recipe is not None and recipe.fallback is not None:
        fallback = _Checker(fallback_tree(tree), checker.installed)
        fallback.recipe()
        checker.problems += fallback.problems
    if checker.problems or recipe is None:
        raise RecipeError(checker.problems)
    return recipe


def with_fallback(recipe: Recipe) -> Recipe:
    """Return the recipe with its fallback dataset and fallback settings."""
    return check(fallback_tree(recipe.tree))


class _Checker(SectionChecker):
    """Validates a tree in one pass and collects all problems."""

    def recipe(self) -> Recipe | None:
        plain = self.tree.plain()
        if not isinstance(plain, dict):
            raise EchokitError(
                "a recipe is a mapping of keys to values", where=str(self.tree.origin), code="recipe.no_mapping"
            )
        for key in plain:
            if key not in KEYS:
                hint = did_you_mean(key, KEYS) or f"the keys are {', '.join(KEYS)}"
                self.problem((key,), "recipe.unknown_key", f"unknown key {key!r}", hint)
        for key in ("name", "data", "target", "model", "train"):
            if key not in plain:
                self.problem((key,), "recipe.missing_key", f"the key {key!r} is missing", KEYS[key])
            elif plain[key] is None:
                self.problem((key,), "recipe.empty_key", f"the key {key!r} is empty", KEYS[key])
        plain = {key: value for key, value in plain.items() if value is not None or key in DEFAULTS}
        values = {**DEFAULTS, **plain}
        data_keys, dataset = self.split(values.get("data"), DATA_KEYS)
        model_keys, fusion = self.split(values.get("model"), {"backbone": None, "weights": None})
        clip = values["clip"]
        if isinstance(clip, dict) and "use" not in clip:
            clip = {"use": "window", **clip}
        parts = {
            "name": self.scalar("name", values.get("name"), str),
            "seed": self.scalar("seed", values["seed"], int),
            "data": self.use("dataset", dataset, ("data",)) if "data" in plain else None,
            "exclude": self.exclude(data_keys["exclude"]),
            "fallback": self.fallback(data_keys["fallback"]),
            "max_unreadable": self.share(("data", "max_unreadable"), data_keys["max_unreadable"]),
            "target": self.settings(TargetSettings, values.get("target"), ("target",)) if "target" in plain else None,
            "preprocess": self.uses(("preprocessor",), values["preprocess"], ("preprocess",)),
            "clip": self.use("sampler", clip, ("clip",)),
            "augment": self.uses(("augmentation",), values["augment"], ("augment",)),
            "fusion": self.use("fusion", fusion, ("model",)) if "model" in plain else None,
            "backbone": self.use("backbone", model_keys["backbone"], ("model", "backbone"))
            if "model" in plain
            else None,
            "weights": self.weights(model_keys["weights"]),
            "objective": self.use("objective", values["objective"], ("objective",)),
            "resample": self.use("resampler", values["resample"], ("resample",)),
            "train": self.settings(TrainSettings, values.get("train"), ("train",)) if "train" in plain else None,
            "evaluate": self.uses(EVALUATE, values["evaluate"], ("evaluate",)),
            "report": self.settings(ReportSettings, values["report"], ("report",)),
            "callbacks": self.uses(("callback",), values["callbacks"], ("callbacks",)),
            "track": self.trackers(values["track"]),
            "controls": self.settings(ControlSettings, values["controls"], ("controls",))
            if values["controls"] is not None
            else None,
        }
        if self.problems:
            return None
        parts["epoch_metrics"] = self.epoch_metrics(parts["train"], parts["evaluate"])
        if self.problems:
            return None
        recipe = _with_last_epoch(Recipe(tree=self.tree, **parts))
        self.check_construction(recipe)
        if self.problems:
            return None
        self.add((), inconsistencies(recipe))
        self.check_search(recipe)
        if not self.problems:
            self.add((), padded_windows(recipe))
        return recipe

    def epoch_metrics(self, train: TrainSettings, evaluate: tuple[ComponentConfig, ...]) -> dict[str, ComponentConfig]:
        """Find the evaluators of ``keep`` and ``early_stop``.

        Each has the parameters of its entry in ``evaluate``, else its defaults.
        """
        found: dict[str, ComponentConfig] = {}
        for place, name in train.evaluators().items():
            path, hint = ("train", *place), f"write one entry in evaluate: {{use: {name}, ...}}"
            try:
                component = self.installed.registry.get("evaluator", name)
                if not isinstance(getattr(component.load(), "larger_is_better", None), bool):
                    message = f"{name!r} is not one number of which more, or less, is better"
                    self.problem(path, "train.not_one_number", message, _WITH_DIRECTION)
                    continue
                entries = [use for use in evaluate if use.component == component]
                if len(entries) > 1:
                    message = f"evaluate has {len(entries)} entries of {name!r}, each with its parameters"
                    self.problem(path, "train.metric_parameters", message, hint)
                found[f"val_{name}"] = (
                    entries[0] if entries else ComponentConfig(component, validate(component.parameters(), {}))
                )
            except EchokitError as error:
                self.problem(path, error.code, error.message, error.hint)
            except InvalidParameters as invalid:
                message = f"{name!r} has no default for {', '.join(str(one.place[-1]) for one in invalid.problems)}"
                self.problem(path, "train.metric_parameters", message, hint)
        return found

    def trackers(self, values: Any) -> tuple[ComponentConfig | None, ...]:
        registry = self.installed.registry
        known = [name for name in registry.names("callback") if is_tracker(registry, name)] if values else []
        names = f"the trackers are {', '.join(known)}"
        if not isinstance(values, list):
            self.wrong_type(("track",), "a list of trackers", values, names)
            return ()
        found = []
        for index, value in enumerate(values):
            if isinstance(value, str) and is_tracker(registry, value):
                found.append(self.use("callback", value, ("track", index)))
            else:
                hint = did_you_mean(str(value), known) or names
                self.problem(("track", index), "recipe.unknown_tracker", f"there is no tracker {value!r}", hint)
        return tuple(found)

    def weights(self, value: Any) -> WeightSettings | None:
        if value is None:
            return None
        given = {"use": value} if isinstance(value, str) else value
        settings: WeightSettings | None = self.settings(WeightSettings, given, ("model", "weights"))
        return settings

    def check_search(self, recipe: Recipe) -> None:
        """Check that every combination of a search is a valid recipe."""

        if "search" not in type(recipe.resample.values).model_fields:
            return
        path = ("resample", "search")
        try:
            if len(configurations(recipe)) < 2:
                hint = "give a hyperparameter and two values or more"
                self.problem(path, "search.one_candidate", "there is only one candidate", hint)
        except RecipeError as invalid:
            for problem in invalid.problems:
                self.problem(path, problem.code, problem.message, problem.hint)
        except EchokitError as error:
            self.problem(path, error.code, error.message, error.hint)

    def check_construction(self, recipe: Recipe) -> None:
        """Build every component, to find parameters that contradict one another."""
        components: dict[KeyPath, ComponentConfig] = {
            ("data",): recipe.data,
            ("clip",): recipe.clip,
            ("model",): recipe.fusion,
            ("model", "backbone"): recipe.backbone,
            ("objective",): recipe.objective,
            ("resample",): recipe.resample,
        }
        lists = {
            "preprocess": recipe.preprocess,
            "augment": recipe.augment,
            "evaluate": recipe.evaluate,
            "callbacks": recipe.callbacks,
            "track": recipe.track,
        }
        components |= {(key, index): use for key, uses in lists.items() for index, use in enumerate(uses)}
        components |= {("train", key): use for key, use in recipe.train.components().items()}
        for place, name in recipe.train.evaluators().items():
            components["train", *place] = recipe.epoch_metrics[f"val_{name}"]
        for path, use in components.items():
            try:
                use.files()
            except DataError:
                continue  # a run can be read without the files; `Recipe.check_files` refuses to use it
            try:
                with output_to_stderr():
                    built = use.build()
            except EchokitError as error:
                self.problem(path, error.code, error.message, error.hint)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a plugin that raises its own error, or SystemExit
                expected = isinstance(error, (TypeError, ValueError, OSError))
                if use.component.plugin == BUILT_IN and not expected:
                    raise
                name = f"the {use.component.kind} {use.name!r} of the plugin {use.component.plugin!r}"
                code = "parameter.invalid" if expected else "plugin.failed"
                self.problem(path, code, f"{name} rejects its parameters: {describe_exception(error)}")
            else:
                if use.component.kind == "callback" and not isinstance(built, Callback):
                    message = f"the callback {use.name!r} is no subclass of echokit.Callback"
                    self.problem(path, "callback.no_base", message, "derive its class from echokit.Callback")


def is_tracker(registry: Registry, name: str) -> bool:
    """Return whether a name means a callback that only watches.

    One that cannot be imported is none.
    """
    try:
        return only_watches(registry.get("callback", name).load())
    except EchokitError:
        return False


def _with_last_epoch(recipe: Recipe) -> Recipe:
    """Return the recipe with keep: last if no set can select the epoch.

    A keep that the user gave stays.
    """
    if "keep" in recipe.train.model_fields_set or not lacks_validation(recipe.resample):
        return recipe
    return replace(recipe, train=recipe.train.model_copy(update={"keep": "last"}))


_WITH_DIRECTION = (
    "for example val_auprc or val_brier; an evaluator says so with the class attribute larger_is_better, as every "
    "echokit.PatientMetric does"
)


def configurations(recipe: Recipe) -> tuple[Candidate, ...]:
    """List all candidates; the last hyperparameter changes fastest.

    Raises:
        EchokitError: A key cannot be searched.
        RecipeError: A candidate is no valid recipe.
    """

    search = searched_hyperparameters(recipe)
    for key in search:
        if not key.startswith(SEARCHED) or key.startswith("train.phases"):
            raise EchokitError(
                f"{key!r} cannot be searched",
                hint="search keys under train (not phases) or model.dropout; others would change the features",
                code="search.unsearchable_key",
            )
    base = recipe.tree
    kept = f"train.keep={recipe.train.keep}"  # not the default of another resampler
    for text in ("resample={use: holdout}", "evaluate=[auroc]", "controls=null", kept):
        base = apply_override(base, text)
    candidates = []
    for values in itertools.product(*search.values()):
        tree = base
        for key, value in zip(search, values, strict=True):
            tree = apply_override(tree, f"{key}={json.dumps(value)}")
        candidates.append(Candidate(dict(zip(search, values, strict=True)), check(tree)))
    return tuple(candidates)
