"""JSON Schema of recipes, with all installed components and their parameters."""

from __future__ import annotations

from typing import Any

from echokit.data.cohort.target import TargetSettings
from echokit.errors import EchokitError
from echokit.evaluation.evaluation import EVALUATE
from echokit.models.weights.settings import WeightSettings
from echokit.plugins.component import BUILT_IN, KINDS
from echokit.plugins.discovery import installed
from echokit.plugins.parameters import summary_line
from echokit.recipe.control_settings import ControlSettings
from echokit.recipe.report_settings import ReportSettings
from echokit.recipe.validate import DATA_KEYS, KEYS, is_tracker
from echokit.training.named_settings import OptimizerSettings, ScheduleSettings
from echokit.training.settings import TrainSettings

SLOTS = {
    "data": "dataset",
    "clip": "sampler",
    "model": "fusion",
    "objective": "objective",
    "resample": "resampler",
}
LISTS = {
    "preprocess": ("preprocessor",),
    "augment": ("augmentation",),
    "evaluate": EVALUATE,
    "callbacks": ("callback",),
}
_DATA_EXTRA = {
    "exclude": {"type": ["string", "null"], "description": "A file with the case_ids to exclude."},
    "fallback": {
        "type": ["object", "string", "null"],
        "description": "A dataset that is used if this one is missing.",
    },
    "max_unreadable": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "Allowed share of unreadable videos.",
    },
}


def component_schema(kind: str, name: str, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """Build the JSON Schema of one component as a mapping ``{use: name, ...}``."""
    component = installed().registry.get(kind, name)
    schema = component.parameters().model_json_schema()
    properties = {"use": {"const": name}, **schema.get("properties", {}), **(extra or {})}
    return {
        **schema,
        "title": name,
        "description": component.summary,
        "properties": properties,
        "additionalProperties": False,
    }


def _kind(kind: str, extra: dict[str, Any] | None = None, default: str | None = None) -> dict[str, Any]:
    names = installed().registry.names(kind)
    options: list[dict[str, Any]] = [{"enum": names}]
    for name in names:
        try:
            schema = component_schema(kind, name, extra)
        except EchokitError as error:
            if installed().registry.get(kind, name).plugin == BUILT_IN:
                raise
            # A broken component of a plugin must not break the schema of the others.
            options.append({"properties": {"use": {"const": name}}, "required": ["use"], "$comment": error.message})
            continue
        options.append({**schema, "required": [*schema.get("required", []), *([] if name == default else ["use"])]})
    return {"anyOf": options}


def _beside_libraries(named: type[OptimizerSettings] | type[ScheduleSettings]) -> dict[str, Any]:
    """Build the schema of a slot that takes a component or a library's object."""
    schema = named.model_json_schema()
    shared = {name: inner for name, inner in schema["properties"].items() if name != "use"}
    registered = _kind(named.KIND, shared, default=named.model_fields["use"].default)
    built_in = [c.name for c in installed().registry.components([named.KIND]) if c.plugin == BUILT_IN]
    other = {"type": "string", "not": {"enum": built_in}}
    use = schema["properties"]["use"] | other
    use.pop("default")
    library = {"type": "object", "properties": {"use": use, **shared}, "required": ["use"]}
    return {"anyOf": [*registered["anyOf"], other, library]}


def recipe_schema() -> dict[str, Any]:
    """Build the JSON Schema (2020-12) of recipe files."""
    definitions: dict[str, Any] = {}
    properties: dict[str, Any] = {
        "name": {"type": "string"},
        "extends": {"type": "string"},
        "seed": {"type": "integer"},
    }
    extras = {"data": {key: _DATA_EXTRA[key] for key in DATA_KEYS}}
    weights = WeightSettings.model_json_schema()
    extras["model"] = {
        "backbone": _kind("backbone"),
        "weights": {"anyOf": [weights, {"type": ["string", "null"]}], "description": summary_line(WeightSettings)},
    }
    for key, kind in SLOTS.items():
        properties[key] = _kind(kind, extras.get(key), default="window" if key == "clip" else None)
    for key, kinds in LISTS.items():
        options = [option for kind in kinds for option in _kind(kind)["anyOf"]]
        properties[key] = {"type": "array", "items": {"anyOf": options}}
    registry = installed().registry
    trackers = [name for name in registry.names("callback") if is_tracker(registry, name)]
    properties["track"] = {"type": "array", "items": {"enum": trackers}}
    for key, model in (("target", TargetSettings), ("train", TrainSettings), ("report", ReportSettings)):
        schema = model.model_json_schema(by_alias=True)
        definitions.update(schema.pop("$defs", {}))
        properties[key] = schema
    for key, named in (("optimizer", OptimizerSettings), ("schedule", ScheduleSettings)):
        properties["train"]["properties"][key] |= _beside_libraries(named)
        properties["train"]["properties"][key].pop("$ref")
        definitions.pop(named.__name__)
    for kind in KINDS:
        definitions[kind] = _kind(kind)
    properties["controls"] = {"anyOf": [ControlSettings.model_json_schema(), {"type": "null"}]}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "echokit recipe",
        "type": "object",
        "additionalProperties": False,
        "properties": {key: {**inner, "description": KEYS.get(key, "")} for key, inner in properties.items()},
        "$defs": definitions,
    }
    used = _link_components(schema)
    return schema | {"$defs": {name: inner for name, inner in definitions.items() if name not in KINDS or name in used}}


def _link_components(schema: Any) -> set[str]:
    """Refer to the definition of a kind wherever a parameter is a component.

    Return these kinds.
    """
    used: set[str] = set()
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        used |= _link_components(inner)
    if isinstance(schema, dict) and schema.get("component") in KINDS:
        kind = schema.pop("component")
        schema.pop("type")
        schema["$ref"] = f"#/$defs/{kind}"
        used.add(kind)
    return used
