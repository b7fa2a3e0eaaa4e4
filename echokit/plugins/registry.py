"""The registry of components: from a name in a recipe to a class.

A component is registered by its name and its target (``package.module:Class``). The class is imported on first use, so
listing all components imports none of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any

from pydantic import BaseModel

from echokit.errors import EchokitError, did_you_mean, location_in_package
from echokit.plugins.parameters import parameters
from echokit.system.hashing import digest, distribution_hash, package_hash

GROUP = "echokit"
"""The group of the entry points of plugins."""

BUILT_IN = "echokit"
"""Plugin name of the built-in components."""

KINDS: dict[str, str] = {
    "dataset": "reads a table of cases: () -> Cohort",
    "preprocessor": "changes a whole video, or derives a stream from it: (Clip) -> Clip",
    "sampler": "chooses the frames of each sample: (lengths, split, epoch, seed) -> Windows",
    "augmentation": "changes a batch in training, on the device: (streams, generator) -> streams",
    "backbone": "makes features of one stream: (InputShape) -> nn.Module",
    "fusion": "joins the backbones of the streams: ({stream: InputShape}, backbone) -> nn.Module",
    "objective": "says what is learned: (Targets) -> Objective",
    "resampler": "divides a cohort: (Cohort, seed) -> folds",
    "evaluator": "measures predictions: (Predictions) -> Evaluation",
}

CODE_ROOTS: dict[str, tuple[str, ...]] = {
    "dataset": ("echokit.data.cohort",),
    "dataset phantom": ("echokit.phantom",),
    "preprocessor": ("echokit.data.preprocess",),
    "sampler": ("echokit.data.sampling",),
    "augmentation": ("echokit.data.sampling",),
    "backbone": ("echokit.models",),
    "fusion": ("echokit.models",),
    "objective": ("echokit.training.objectives",),
    "resampler": ("echokit.data.splits",),
    "evaluator": ("echokit.evaluation",),
}
"""Packages whose code defines the built-in components of a kind, or of a kind and a name."""


def parse_kind(word: str) -> str:
    """Return the kind of a singular or plural word.

    Raises:
        EchokitError: There is no such kind.
    """
    kind = word.removesuffix("s")
    if kind not in KINDS:
        raise EchokitError(
            f"there is no kind of component {word!r}",
            hint=did_you_mean(kind, KINDS) or f"the kinds are {', '.join(KINDS)}",
            code="component.unknown_kind",
        )
    return kind


@dataclass(frozen=True, slots=True)
class Component:
    """A named factory of one kind.

    Attributes:
        kind: One of ``KINDS``.
        name: Its name in recipes.
        target: ``package.module:Class``.
        plugin: Name of the plugin that registered it (``echokit`` for built-in components).
        summary: One line for lists.
        mask: For a preprocessor: whether it blanks a region of every frame.
    """

    kind: str
    name: str
    target: str
    plugin: str
    summary: str = ""
    mask: bool = False

    @property
    def full_name(self) -> str:
        """Its name that no other component has: ``plugin:name``; a built-in component's is its name."""
        return self.name if self.plugin == BUILT_IN else f"{self.plugin}:{self.name}"

    def load(self) -> type[Any]:
        """Import the class.

        Raises:
            EchokitError: The module or the class is missing, or fails to import.
        """
        module, _, attribute = self.target.partition(":")
        try:
            loaded: type[Any] = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise EchokitError(
                f"the {self.kind} {self.name!r} of the plugin {self.plugin!r} cannot be imported: "
                f"{type(error).__name__}: {error}",
                hint="fix or uninstall the plugin" if self.plugin != BUILT_IN else None,
                where=location_in_package(error, module.partition(".")[0]) or self.target,
                code="component.import_failed",
            ) from error
        return loaded

    def parameters(self) -> type[BaseModel]:
        """Build the pydantic model of its parameters.

        Raises:
            EchokitError: The class cannot be imported, or its parameters are not typed keywords.
        """
        target = self.load()
        try:
            return parameters(target)
        except Exception as error:
            name = f"the {self.kind} {self.name!r} of the plugin {self.plugin!r}"
            if isinstance(error, EchokitError):
                message = f"{name}: {error.message}"
                raise EchokitError(message, hint=error.hint, where=error.where, code=error.code) from error
            # An annotation that names nothing, or a bound that does not fit its type.
            message = f"{name}: the parameters cannot be read: {type(error).__name__}: {error}"
            raise EchokitError(message, where=self.target, code="component.bad_signature") from error

    def code_hash(self) -> str:
        """Hash the code that the component may depend on.

        For a built-in component these are the packages of its kind, see ``CODE_ROOTS``; for another one all packages
        of its plugin's distribution, data files included, and its version.
        """
        if self.plugin != BUILT_IN:
            entry = next(iter(entry_points(group=GROUP, name=self.plugin)), None)
            return distribution_hash(entry.dist if entry else None, self.target.partition(":")[0].partition(".")[0])
        roots = CODE_ROOTS.get(f"{self.kind} {self.name}") or CODE_ROOTS[self.kind]
        return digest([package_hash(root) for root in roots])


@dataclass
class Registry:
    """All known components.

    A name that two plugins register is ambiguous until ``plugin:name`` selects one.
    """

    _components: dict[tuple[str, str], list[Component]] = field(default_factory=dict)

    def add(self, component: Component) -> None:
        """Add a component.

        Raises:
            EchokitError: The kind is unknown, the target is not ``module:Class``, or the plugin registers a name twice.
        """
        parse_kind(component.kind)
        if component.target.count(":") != 1:
            raise EchokitError(
                f"the target of {component.name!r} is {component.target!r}",
                hint="write 'package.module:Class'",
                code="component.bad_target",
            )
        same_name = self._components.setdefault((component.kind, component.name), [])
        if any(other.plugin == component.plugin for other in same_name):
            raise EchokitError(
                f"the plugin {component.plugin!r} registers the {component.kind} {component.name!r} twice",
                code="component.registered_twice",
            )
        same_name.append(component)

    def get(self, kind: str, name: str) -> Component:
        """Return the component of the name ``name`` or ``plugin:name``.

        Raises:
            EchokitError: No component has the name, or several plugins register it.
        """
        plugin, _, bare = name.rpartition(":")
        matches = [c for c in self._components.get((kind, bare), []) if not plugin or c.plugin == plugin]
        if not matches:
            names = self.names(kind)
            raise EchokitError(
                f"there is no {kind} {name!r}",
                hint=did_you_mean(name, names) or f"the {kind}s are {', '.join(names)}",
                code="component.unknown",
            )
        if len(matches) > 1:
            claims = " and ".join(f"'{c.plugin}:{c.name}' ({c.target})" for c in matches)
            raise EchokitError(
                f"several plugins register the {kind} {name!r}: {claims}",
                hint="write the full name of one",
                code="component.ambiguous",
            )
        return matches[0]

    def names(self, kind: str) -> list[str]:
        """List the names of one kind, sorted; ambiguous ones as ``plugin:name``."""
        return sorted(self._names(kind))

    def _names(self, kind: str) -> Iterator[str]:
        for (of_kind, name), components in self._components.items():
            if of_kind == kind:
                yield from [name] if len(components) == 1 else [f"{c.plugin}:{name}" for c in components]

    def ambiguous(self) -> list[list[Component]]:
        """Group the components whose name several plugins register."""
        return [components for components in self._components.values() if len(components) > 1]

    def components(self, kinds: Iterable[str] = KINDS) -> list[Component]:
        """List all components of some kinds, by kind and name."""
        return [self.get(kind, name) for kind in kinds for name in self.names(kind)]


def with_article(kind: str) -> str:
    """Prepend the indefinite article: ``a mask``, ``an evaluator``."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
