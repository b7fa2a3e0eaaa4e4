"""Parameters of components: from a signature to validation, documentation and JSON Schema.

The signature is the only list of parameters. Types, bounds and defaults are annotations; descriptions come from the
``Args:`` section of the class's docstring.
"""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from echokit.errors import EchokitError, did_you_mean

DataPath = Annotated[str, Field(json_schema_extra={"format": "path"})]
"""A dataset's path on this machine; the recipe's hash covers the data instead."""


class _WrittenByContent:
    """Text that a serialization context, a function, may replace."""

    def __get_pydantic_core_schema__(self, source: Any, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
        write = core_schema.plain_serializer_function_ser_schema(
            lambda path, info: path if info.context is None else info.context(path), info_arg=True
        )
        return core_schema.no_info_after_validator_function(str, handler(source), serialization=write)


AssetFile = Annotated[str, _WrittenByContent(), Field(json_schema_extra={"format": "file-path"})]
"""A file whose content the component uses, such as weights or a table.

The content takes the place of the path in the keys of prepared clips and in the recipe's hash, and the lock records it.
So a new content never finds old clips, and a renamed file finds them again.
"""

KeyPath = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in some parameters.

    Attributes:
        place: Path of keys to the parameter, from the root of the parameters.
        message: What is wrong.
        hint: What to do about it.
        code: As in `EchokitError`.
    """

    place: KeyPath
    message: str
    hint: str | None = None
    code: str = "parameter.invalid"


class InvalidParameters(Exception):
    """Parameters do not fit. Carries every problem; the caller adds file and line."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


def docstring_arguments(doc: str | None) -> dict[str, str]:
    """Read the ``Args:`` of a Google-style docstring into a dict."""
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
    """Build the pydantic model of a component's ``__init__``.

    Raises:
        EchokitError: A parameter is positional, has no type, or is named ``use``.
    """
    signature = inspect.signature(target)
    init = inspect.unwrap(target.__init__)
    hints = typing.get_type_hints(init, include_extras=True) if inspect.isfunction(init) else {}
    descriptions: dict[str, str] = {}
    for base in reversed(target.__mro__):  # a subclass need not repeat what it inherits
        descriptions |= docstring_arguments(base.__doc__)
    fields: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY or name not in hints:
            raise EchokitError(
                f"the parameter {name!r} of {target.__module__}:{target.__qualname__} is not a typed keyword",
                hint="write def __init__(self, *, name: type = default)",
                code="component.bad_signature",
            )
        if name == "use":
            raise EchokitError(
                f"the parameter 'use' of {target.__module__}:{target.__qualname__} hides the component's name",
                hint="rename it: in a recipe `use: NAME` stands beside the parameters",
                code="component.reserved_parameter",
            )
        required = parameter.default is inspect.Parameter.empty
        annotation: Any = hints[name]
        annotation = Annotated[annotation, Field(description=descriptions.get(name))]
        fields[name] = (annotation, ... if required else parameter.default)
    config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), validate_default=True)
    return pydantic.create_model(target.__name__, __config__=config, __doc__=summary_line(target), **fields)


def summary_line(target: type[Any]) -> str:
    """Return the first paragraph of a docstring in one line."""
    return (inspect.getdoc(target) or "").split("\n\n")[0].replace("\n", " ")


def validate(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Validate values; the only coercions are list to tuple and int to float.

    Raises:
        InvalidParameters: Carries all problems; unknown names come with the nearest valid one.
    """
    try:
        return model.model_validate_json(json.dumps(values), strict=True)
    except pydantic.ValidationError as error:
        raise InvalidParameters(list(_problems(model, values, error))) from None


def inner_error(problems: Iterable[Problem], value: Any) -> pydantic.ValidationError:
    """Write problems as an error of a validator, with places below its own.

    `validate` turns it into the problems again.

    Args:
        problems: At least one.
        value: What was validated.
    """
    errors = [
        InitErrorDetails(
            type=PydanticCustomError("problem", "{message}", {"message": problem.message, "problem": problem}),
            loc=problem.place if isinstance(value, Mapping) else (),
            input=value,
        )
        for problem in problems
    ]
    return pydantic.ValidationError.from_exception_data("component", errors, "json")


def _problems(model: type[BaseModel], values: Mapping[str, Any], error: pydantic.ValidationError) -> Iterator[Problem]:
    seen = set()
    details = error.errors(include_url=False)
    components = {detail["loc"][0] for detail in details if "problem" in detail.get("ctx", {}) and detail["loc"]}
    for detail in details:
        path = _key_path(detail["loc"], values)
        if path and path[0] in components and "problem" not in detail.get("ctx", {}):
            continue  # of another member of the union; the component's problem says more
        if (path, detail["type"]) in seen:
            continue
        seen.add((path, detail["type"]))
        if isinstance(inner := detail.get("ctx", {}).get("problem"), Problem):  # of a component that is a parameter
            yield replace(inner, place=path)
            continue
        name = str(path[-1]) if path else ""
        if detail["type"] == "extra_forbidden":
            names = _fields_at(model, path[:-1])
            hint = did_you_mean(name, names) or (
                f"the parameters are {', '.join(names)}" if names else "it takes no parameters"
            )
            yield Problem(path, f"unknown parameter {name!r}", hint, "parameter.unknown")
        elif detail["type"] == "missing":
            yield Problem(path, f"the parameter {name!r} is missing", code="parameter.missing")
        else:
            message = detail["msg"].removeprefix("Value error, ")
            yield Problem(path, f"{message[:1].lower()}{message[1:]}, not {detail['input']!r}")


def _key_path(loc: KeyPath, values: Any) -> KeyPath:
    """Remove the names of union members from pydantic's location."""
    path: list[str | int] = []
    for step in loc:
        inside = isinstance(values, Mapping) and step in values
        inside = inside or (isinstance(values, list) and isinstance(step, int) and step < len(values))
        if inside:
            values = values[step]
        elif step is not loc[-1] or not isinstance(values, Mapping):
            continue  # the name of a union's member
        path.append(step)
    return tuple(path)


def _fields_at(model: Any, path: KeyPath) -> list[str]:
    for step in path:
        field = getattr(model, "model_fields", {}).get(str(step))
        candidates = [field.annotation, *typing.get_args(field.annotation)] if field else []
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
    return list(getattr(model, "model_fields", {}))


def format_type(schema: Mapping[str, Any]) -> str:
    """Format the type of a JSON Schema with its bounds: ``number > 0, or null``."""
    if "anyOf" in schema:
        return ", or ".join(format_type(option) for option in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    bounds = {"exclusiveMinimum": "> ", "minimum": ">= ", "exclusiveMaximum": "< ", "maximum": "<= "}
    limits = [f"{sign}{schema[key]:g}" for key, sign in bounds.items() if key in schema]
    if "component" in schema:
        return f"{schema['component']}"
    kind = "file" if schema.get("format") == "file-path" else str(schema.get("type", "any"))
    items = schema.get("items")
    of = f" of {format_type(items)}" if isinstance(items, Mapping) else ""
    return f"{kind}{of} {' and '.join(limits)}".rstrip()
