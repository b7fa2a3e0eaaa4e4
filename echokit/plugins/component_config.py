"""A component chosen in a recipe, with its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from echokit.errors import DataError
from echokit.plugins.component import Component
from echokit.system.hashing import content_hash, digest


@dataclass(frozen=True)
class ComponentConfig:
    """A component with its validated parameters.

    Attributes:
        component: The registered component.
        values: The validated parameters, defaults included.
        text: The short form in which a recipe names both, if it has one: ``sensitivity_at_0.90``.
    """

    component: Component
    values: BaseModel
    text: str | None = None

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
        return {"use": self.component.full_name, **self.params}

    def identity(self) -> dict[str, Any]:
        """Return ``to_dict()`` with the hash of each ``AssetFile`` in place of its path.

        Raises:
            DataError: A file cannot be read.
        """
        return self.written_by_content(self.files().__getitem__)

    def written_by_content(self, write: Callable[[str], Any]) -> dict[str, Any]:
        """Return ``to_dict()`` with other words for the paths of each ``AssetFile``.

        Args:
            write: Gives what is written in place of a path.
        """
        return {"use": self.component.full_name, **self.values.model_dump(mode="json", context=write)}

    def label(self) -> str:
        """Name the component and its parameters in a sentence."""
        settings = ", ".join(f"{name} {value}" for name, value in self.params.items())
        return self.text or (f"{self.component.full_name} ({settings})" if settings else self.component.full_name)

    def with_inner(self) -> Iterator[ComponentConfig]:
        """List this component and those that are its parameters, at any depth."""
        yield self
        for name in type(self.values).model_fields:
            for inner in _configs(getattr(self.values, name)):
                yield from inner.with_inner()

    def code_hash(self) -> str:
        """Hash the code that it may depend on, that of inner components included."""
        own, *inner = (use.component.code_hash() for use in self.with_inner())
        return digest([own, *inner]) if inner else own

    def files(self) -> dict[str, str]:
        """Hash the content of each file that an ``AssetFile`` names, by its path.

        Raises:
            DataError: A file cannot be read.
        """
        paths: dict[str, None] = {}
        self.values.model_dump(mode="json", context=paths.setdefault)
        return {str(path): self._hash_of(path) for path in paths}

    def _hash_of(self, path: str) -> str:
        try:
            if Path(path).is_dir():
                raise IsADirectoryError(21, "it is a folder")
            return content_hash(Path(path))
        except OSError as error:
            raise DataError(
                f"the {self.component.kind} {self.name!r} needs the file {path}: {error.strerror or error}",
                hint="a path is relative to the folder in which echokit is started",
                where=path,
                code="component.file_unreadable",
            ) from None

    def build(self) -> Any:
        """Build the component, those that are its parameters first."""
        names = type(self.values).model_fields
        return self.component.load()(**{name: _built(getattr(self.values, name)) for name in names})


def _configs(value: Any) -> list[ComponentConfig]:
    """List the components in the value of a parameter."""
    if isinstance(value, list | tuple):
        return [inner for item in value for inner in _configs(item)]
    return [value] if isinstance(value, ComponentConfig) else []


def _built(value: Any) -> Any:
    """Return the value of a parameter with its components built."""
    if not _configs(value):
        return value
    return value.build() if isinstance(value, ComponentConfig) else type(value)(map(_built, value))
