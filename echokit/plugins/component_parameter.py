"""A component as the parameter of another one: ``random_apply: {of: gain, p: 0.5}``.

In a recipe the parameter is a name or ``{use: NAME, ...}``; the constructor gets the built component.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from echokit.errors import EchokitError
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.discovery import installed
from echokit.plugins.parameters import InvalidParameters, Problem, inner_error, validate
from echokit.plugins.registry import parse_kind, with_article


@dataclass(frozen=True)
class ComponentOf:
    """Mark a parameter that takes a component.

    ``Annotated[Any, ComponentOf("augmentation")]``; the constructor gets it built. Optional parameters and
    lists work too: ``Annotated[Any, ComponentOf("calibrator")] | None``.

    Attributes:
        kind: One of the kinds of ``echokit list``.
        short: Gives ``{use: NAME, ...}`` for a text with a meaning of its own, and None for any other text, which is a
            component's name.
    """

    kind: str
    short: Callable[[str], Mapping[str, Any] | None] | None = None

    def __post_init__(self) -> None:
        parse_kind(self.kind)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        write = core_schema.plain_serializer_function_ser_schema(
            lambda use, info: use.to_dict() if info.context is None else use.written_by_content(info.context),
            info_arg=True,
        )
        return core_schema.no_info_plain_validator_function(self._validate, serialization=write)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": ["string", "object"], "component": self.kind}

    def _validate(self, value: Any) -> ComponentConfig:
        if isinstance(value, ComponentConfig):
            return value
        try:
            return self._configure(value)
        except InvalidParameters as invalid:
            raise inner_error(invalid.problems, value) from None

    def _configure(self, value: Any) -> ComponentConfig:
        """Return the component that a recipe names.

        Raises:
            InvalidParameters: It names none, or its parameters do not fit.
        """
        registry = installed().registry
        if isinstance(value, str):
            value = (self.short and self.short(value)) or {"use": value}
        if not isinstance(value, dict) or not isinstance(value.get("use"), str):
            message = f"name {with_article(self.kind)} here: {{use: name, ...}}"
            hint = f"the {self.kind}s are {', '.join(registry.names(self.kind))}"
            raise InvalidParameters([Problem((), message, hint, "recipe.no_component")])
        try:
            component = registry.get(self.kind, value["use"])
            model = component.parameters()
        except EchokitError as error:
            raise InvalidParameters([Problem((), error.message, error.hint, error.code)]) from None
        given = {name: inner for name, inner in value.items() if name != "use"}
        return ComponentConfig(component, validate(model, given))
