"""Checks of single sections of a recipe; each mistake gets its file and line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from echokit.errors import EchokitError, shortened
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.component_parameter import ComponentOf
from echokit.plugins.discovery import Installed
from echokit.plugins.parameters import InvalidParameters, KeyPath, Problem, validate
from echokit.recipe.tree import Node

Value = TypeVar("Value")
LONGEST_MESSAGE = 600
_TYPE_NAMES = {str: "text", int: "a whole number"}


class SectionChecker:
    """Checks sections of a tree and collects all problems.

    Args:
        tree: The composed recipe.
        plugins: Gives the components.
    """

    def __init__(self, tree: Node, plugins: Installed) -> None:
        self.tree = tree
        self.installed = plugins
        self.problems: list[EchokitError] = []

    def problem(self, path: KeyPath, code: str, message: str, hint: str | None = None) -> None:
        key = ".".join(str(step) for step in path)
        origin = shortened(str(self.tree.at(path).origin))
        text = f"{shortened(key)}: {shortened(message, LONGEST_MESSAGE)}"
        self.problems.append(EchokitError(text, hint=hint, where=origin, code=code))

    def wrong_type(self, path: KeyPath, expected: str, value: Any, hint: str | None = None) -> None:
        self.problem(path, "recipe.wrong_type", f"expected {expected}, not {value!r}", hint)

    def add(self, path: KeyPath, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.problem((*path, *problem.place), problem.code, problem.message, problem.hint)

    def split(self, section: Any, defaults: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """Separate keys of the recipe from parameters of its component."""
        if not isinstance(section, dict):
            return dict(defaults), section
        given = {key: value for key, value in section.items() if key in defaults}
        return {**defaults, **given}, {key: value for key, value in section.items() if key not in defaults}

    def scalar(self, key: str, value: Any, kind: type[Any]) -> Any:
        if type(value) is not kind:
            if value is not None or key == "seed":
                self.wrong_type((key,), _TYPE_NAMES[kind], value)
        elif key == "name" and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", value):
            hint = "use letters, digits, '_' and '-'"
            self.problem((key,), "recipe.bad_name", f"{value!r} cannot name a folder", hint)
        elif key == "seed" and value < 0:
            self.problem((key,), "recipe.out_of_range", f"expected a whole number >= 0, not {value!r}")
        return value

    def exclude(self, value: Any) -> Any:
        if value is not None and not isinstance(value, str):
            self.wrong_type(("data", "exclude"), "text or null", value)
        return value

    def share(self, path: KeyPath, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            self.problem(path, "recipe.out_of_range", f"expected a share from 0 to 1, not {value!r}")
            return 0.0
        return float(value)

    def fallback(self, value: Any) -> Any:
        if isinstance(value, str):
            return {"use": value}
        if value is not None and not isinstance(value, dict):
            self.wrong_type(("data", "fallback"), "a dataset or null", value)
        return value

    def use(self, kind: str, value: Any, path: KeyPath) -> ComponentConfig | None:
        return self.validated(path, lambda: ComponentOf(kind).configure(value))

    def uses(self, kinds: Sequence[str], values: Any, path: KeyPath) -> tuple[ComponentConfig | None, ...]:
        if not isinstance(values, list):
            self.wrong_type(path, f"a list of {' and '.join(f'{kind}s' for kind in kinds)}", values)
            return ()
        return tuple(self.use(self.kind_of(value, kinds), value, (*path, i)) for i, value in enumerate(values))

    def kind_of(self, value: Any, kinds: Sequence[str]) -> str:
        name = value.get("use") if isinstance(value, dict) else value
        return self.installed.registry.kind_of(name, kinds) if isinstance(name, str) else kinds[0]

    def settings(self, model: type[BaseModel], value: Any, path: KeyPath) -> Any:
        if not isinstance(value, dict):
            self.wrong_type(path, "a mapping", value)
            return None
        return self.validated(path, lambda: validate(model, value))

    def validated(self, path: KeyPath, make: Callable[[], Value]) -> Value | None:
        try:
            return make()
        except InvalidParameters as invalid:
            self.add(path, invalid.problems)
            return None
