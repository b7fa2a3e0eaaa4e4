"""From the signature of a component to validated parameters, documentation and JSON Schema.

The signature is the only place that lists parameters: their types, bounds and defaults are annotations, their
descriptions the ``Args:`` section of the class's docstring.
"""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from echokit.errors import EchokitError, did_you_mean

DataPath = Annotated[str, Field(json_schema_extra={"format": "path"})]
"""A parameter that names a place on this machine: it stays out of the recipe's hash."""

Place = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in some parameters: where, counted from their root, what is wrong and what to do."""

    place: Place
    message: str
    hint: str | None = None


class InvalidParameters(Exception):
    """Parameters do not fit; carries every problem, to be given a place in a file by the caller."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


def docstring_arguments(doc: str | None) -> dict[str, str]:
    """Read the ``Args:`` section of a Google-style docstring into ``{name: description}``."""
    lines = inspect.cleandoc(doc or "").splitlines()
    if "Args:" not in lines:
        return {}
    arguments: dict[str, str] = {}
    name = None
    for line in lines[lines.index("Args:") + 1 :]:
        if line and not line.startswith(" "):
            break
        entry = re.fullmatch(r" {4}(\w+)(?: \([^)]*\))?: (.*)", line)
        if entry:
            name = entry[1]
            arguments[name] = entry[2].strip()
        elif name and line.strip():
            arguments[name] += " " + line.strip()
    return arguments


def parameters(target: type[Any]) -> type[BaseModel]:
    """Make the pydantic model of a component's ``__init__``.

    Raises:
        EchokitError: A parameter is positional, has no type, or is called ``use``.
    """
    signature = inspect.signature(target)
    init = inspect.unwrap(target.__init__)
    hints = typing.get_type_hints(init, include_extras=True) if inspect.isfunction(init) else {}
    described: dict[str, str] = {}
    for base in reversed(target.__mro__):  # a subclass need not repeat what it inherits
        described |= docstring_arguments(base.__doc__)
    fields: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY or name not in hints:
            raise EchokitError(
                f"the parameter {name!r} of {target.__module__}:{target.__qualname__} is not a typed keyword",
                hint="write def __init__(self, *, name: type = default)",
            )
        if name == "use":
            raise EchokitError(
                f"the parameter 'use' of {target.__module__}:{target.__qualname__} hides the component's name",
                hint="a recipe says `use: NAME` beside the parameters: call it something else",
            )
        required = parameter.default is inspect.Parameter.empty
        annotation: Any = hints[name]
        described_type = Annotated[annotation, Field(description=described.get(name))]
        fields[name] = (described_type, ... if required else parameter.default)
    config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
    return pydantic.create_model(target.__name__, __config__=config, __doc__=summary_line(target), **fields)


def summary_line(target: type[Any]) -> str:
    """First sentence of a docstring."""
    return (inspect.getdoc(target) or "").split("\n\n")[0].replace("\n", " ")


def validate(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Validate values without any coercion other than list to tuple and int to float.

    Raises:
        InvalidParameters: Carries all problems at once, unknown names with the nearest known one.
    """
    try:
        return model.model_validate_json(json.dumps(values), strict=True)
    except pydantic.ValidationError as error:
        raise InvalidParameters(list(_problems(model, values, error))) from None


def _problems(model: type[BaseModel], values: Mapping[str, Any], error: pydantic.ValidationError) -> Iterator[Problem]:
    seen = set()
    for detail in error.errors(include_url=False):
        place = _real_place(detail["loc"], values)
        if (place, detail["type"]) in seen:
            continue
        seen.add((place, detail["type"]))
        name = str(place[-1]) if place else ""
        if detail["type"] == "extra_forbidden":
            known = _fields_at(model, place[:-1])
            hint = did_you_mean(name, known) or (
                f"known here: {', '.join(known)}" if known else "it takes no parameters"
            )
            yield Problem(place, f"unknown parameter {name!r}", hint)
        elif detail["type"] == "missing":
            yield Problem(place, f"the parameter {name!r} is missing")
        else:
            said = detail["msg"].removeprefix("Value error, ")
            yield Problem(place, f"{said[:1].lower()}{said[1:]}, not {detail['input']!r}")


def _real_place(loc: Place, values: Any) -> Place:
    """Drop the names of union members, which pydantic mixes into the location, from a place."""
    place: list[str | int] = []
    for step in loc:
        inside = isinstance(values, Mapping) and step in values
        inside = inside or (isinstance(values, list) and isinstance(step, int) and step < len(values))
        if inside:
            values = values[step]
        elif step is not loc[-1] or not isinstance(values, Mapping):
            continue  # the name of a union's member
        place.append(step)
    return tuple(place)


def _fields_at(model: Any, place: Place) -> list[str]:
    for step in place:
        field = getattr(model, "model_fields", {}).get(str(step))
        candidates = [field.annotation, *typing.get_args(field.annotation)] if field else []
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
    return list(getattr(model, "model_fields", {}))


def type_in_words(schema: Mapping[str, Any]) -> str:
    """Say a JSON Schema's type with its bounds: ``number > 0, or null``."""
    if "anyOf" in schema:
        return ", or ".join(type_in_words(option) for option in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    bounds = {"exclusiveMinimum": "> ", "minimum": ">= ", "exclusiveMaximum": "< ", "maximum": "<= "}
    words = [f"{sign}{schema[key]:g}" for key, sign in bounds.items() if key in schema]
    kind = str(schema.get("type", "any"))
    items = schema.get("items")
    of = f" of {type_in_words(items)}" if isinstance(items, Mapping) else ""
    return f"{kind}{of} {' and '.join(words)}".rstrip()
