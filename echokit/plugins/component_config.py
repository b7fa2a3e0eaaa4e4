"""A component chosen in a recipe, with its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from echokit.plugins.registry import BUILT_IN, Component


@dataclass(frozen=True)
class ComponentConfig:
    """A component with its validated parameters.

    Attributes:
        component: The registered component.
        values: The validated parameters, defaults included.
    """

    component: Component
    values: BaseModel

    @property
    def name(self) -> str:
        """Name of the component."""
        return self.component.name

    @property
    def params(self) -> dict[str, Any]:
        """All parameters as JSON data."""
        return self.values.model_dump(mode="json")

    def to_dict(self) -> dict[str, Any]:
        """Return the component as a recipe names it, with its parameters.

        A plugin's component has its full name.
        """
        plugin = self.component.plugin
        return {"use": self.name if plugin == BUILT_IN else f"{plugin}:{self.name}", **self.params}

    def build(self) -> Any:
        """Build the component."""
        return self.component.load()(**{name: getattr(self.values, name) for name in type(self.values).model_fields})
