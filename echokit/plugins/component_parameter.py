"""A component as the parameter of another one: ``random_apply: {of: gain, p: 0.5}``.

In a recipe the parameter is a name or ``{use: NAME, ...}``; the constructor gets the built component.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SerializationInfo
from pydantic_core import CoreSchema, core_schema

from echokit.errors import EchokitError
from echokit.plugins.component import parse_kind, with_article
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.discovery import installed
from echokit.plugins.parameters import InvalidParameters, Problem, inner_error, validate


@dataclass(frozen=True)
class ComponentOf:
    """Mark a parameter that takes a component.

    ``Annotated[Any, ComponentOf("augmentation")]``; the constructor gets it built. Optional parameters and
    lists work too: ``Annotated[Any, ComponentOf("calibrator")] | None``.

    Attributes:
        kind: One of the kinds of ``echokit list``.
        short: Gives ``{use: NAME, ...}`` for a text with a meaning of its own, and None for any other text, which is a
            component's name. The text begins with NAME.
        pattern: Regular expression of the texts that ``short`` knows, for the schema.
        config: Holds the component and its parameters, where ``build`` must do more than call the class.
    """

    kind: str
    short: Callable[[str], Mapping[str, Any] | None] | None = None
    pattern: str = ""
    config: type[ComponentConfig] | None = None

    def __post_init__(self) -> None:
        parse_kind(self.kind)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        write = core_schema.plain_serializer_function_ser_schema(_written, info_arg=True)
        return core_schema.no_info_plain_validator_function(self._validate, serialization=write)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        named = {"type": ["string", "object"], "component": self.kind}
        return {"anyOf": [named, {"type": "string", "pattern": self.pattern}]} if self.short else named

    def _validate(self, value: Any) -> ComponentConfig:
        if isinstance(value, ComponentConfig):
            return value
        try:
            return self.configure(value)
        except InvalidParameters as invalid:
            raise inner_error(invalid.problems, value) from None

    def configure(self, value: Any) -> ComponentConfig:
        """Return the component that a recipe names.

        Raises:
            InvalidParameters: It names none, or its parameters do not fit.
        """
        registry = installed().registry
        text = None
        if isinstance(value, str):
            short = self.short(value) if self.short else None
            text, value = (value, short) if short else (None, {"use": value})
        if not isinstance(value, dict) or not isinstance(value.get("use"), str):
            message = f"name {with_article(self.kind)} here: {{use: name, ...}}"
            hint = f"the {self.kind}s are {', '.join(registry.names(self.kind))}"
            raise InvalidParameters([Problem((), message, hint, "recipe.no_component")])
        try:
            component = registry.get(self.kind, value["use"])
            model = component.parameters()
        except EchokitError as error:
            raise InvalidParameters([Problem(("use",), error.message, error.hint, error.code)]) from None
        given = {name: inner for name, inner in value.items() if name != "use"}
        if text is not None:  # as a lock names it
            text = component.full_name + text.removeprefix(value["use"])
        return (self.config or ComponentConfig)(component, validate(model, given), text)


def _written(use: ComponentConfig, info: SerializationInfo) -> Any:
    """Write a component as a recipe names it: a short form, a name or a mapping."""
    if use.text is not None:
        return use.text
    plain = use.to_dict() if info.context is None else use.written_by_content(info.context)
    return plain if len(plain) > 1 else plain["use"]
