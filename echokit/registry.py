"""The registry answers one question: which component does this name in a recipe mean?

Components are registered by name and by the place of their class (``package.module:Class``); the class is imported
when it is used, so that listing every component imports none of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from echokit.errors import EchokitError, did_you_mean, place_within
from echokit.schema import parameters

BUILT_IN = "echokit"
"""Name under which echokit registers its own components."""

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


def kind_named(word: str) -> str:
    """Return the kind that a singular or plural word means.

    Raises:
        EchokitError: There is no such kind.
    """
    kind = word.removesuffix("s")
    if kind not in KINDS:
        raise EchokitError(
            f"there is no kind of component {word!r}",
            hint=did_you_mean(kind, KINDS) or f"the kinds are {', '.join(KINDS)}",
        )
    return kind


@dataclass(frozen=True, slots=True)
class Component:
    """A named factory of one kind.

    Attributes:
        kind: One of ``KINDS``.
        name: What a recipe calls it.
        target: ``package.module:Class``.
        plugin: Name of the plugin that registered it (``echokit`` for what is built in).
        summary: One line for lists.
        mask: For a preprocessor: whether it blanks a region of every frame.
    """

    kind: str
    name: str
    target: str
    plugin: str
    summary: str = ""
    mask: bool = False

    def load(self) -> type[Any]:
        """Import the class.

        Raises:
            EchokitError: The module or the class is not there, or fails to import.
        """
        module, _, attribute = self.target.partition(":")
        try:
            loaded: type[Any] = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise EchokitError(
                f"the {self.kind} {self.name!r} of the plugin {self.plugin!r} can not be imported: "
                f"{type(error).__name__}: {error}",
                hint="mend or uninstall the plugin" if self.plugin != BUILT_IN else None,
                where=place_within(error, module.partition(".")[0]) or self.target,
            ) from error
        return loaded

    def parameters(self) -> type[BaseModel]:
        """The pydantic model of its parameters.

        Raises:
            EchokitError: The class can not be imported, or its parameters are not typed keywords.
        """
        target = self.load()
        try:
            return parameters(target)
        except EchokitError as error:
            raise EchokitError(self._blamed(error.message), hint=error.hint, where=error.where) from error
        except Exception as error:  # an annotation that names nothing, a bound that does not fit its type
            raise EchokitError(
                self._blamed(f"the parameters can not be read: {type(error).__name__}: {error}"), where=self.target
            ) from error

    def _blamed(self, message: str) -> str:
        return f"the {self.kind} {self.name!r} of the plugin {self.plugin!r}: {message}"


@dataclass
class Registry:
    """All known components. A name that two plugins claim stays ambiguous until ``plugin:name`` picks one."""

    _components: dict[tuple[str, str], list[Component]] = field(default_factory=dict)

    def add(self, component: Component) -> None:
        """Add a component.

        Raises:
            EchokitError: The kind is unknown, the target is not ``module:Class``, or the plugin registers a name twice.
        """
        kind_named(component.kind)
        if component.target.count(":") != 1:
            raise EchokitError(
                f"the target of {component.name!r} is {component.target!r}",
                hint="write 'package.module:Class'",
            )
        same = self._components.setdefault((component.kind, component.name), [])
        if any(other.plugin == component.plugin for other in same):
            raise EchokitError(
                f"the plugin {component.plugin!r} registers the {component.kind} {component.name!r} twice"
            )
        same.append(component)

    def get(self, kind: str, name: str) -> Component:
        """Return the component that ``name`` or ``plugin:name`` means.

        Raises:
            EchokitError: No component has the name, or several plugins claim it.
        """
        plugin, _, bare = name.rpartition(":")
        found = [c for c in self._components.get((kind, bare), []) if not plugin or c.plugin == plugin]
        if not found:
            known = self.names(kind)
            raise EchokitError(
                f"there is no {kind} {name!r}",
                hint=did_you_mean(name, known) or f"the {kind}s are {', '.join(known)}",
            )
        if len(found) > 1:
            claims = " and ".join(f"'{c.plugin}:{c.name}' ({c.target})" for c in found)
            raise EchokitError(f"the {kind} {name!r} is claimed by {claims}", hint="name the one you mean in full")
        return found[0]

    def names(self, kind: str) -> list[str]:
        """Names of one kind, sorted; those claimed twice as ``plugin:name``."""
        return sorted(self._names(kind))

    def _names(self, kind: str) -> Iterator[str]:
        for (of_kind, name), components in self._components.items():
            if of_kind == kind:
                yield from [name] if len(components) == 1 else [f"{c.plugin}:{name}" for c in components]

    def claimed_twice(self) -> list[list[Component]]:
        """Components whose name more than one plugin claims, in the order of registration."""
        return [components for components in self._components.values() if len(components) > 1]

    def components(self, kinds: Iterable[str] = KINDS) -> list[Component]:
        """All components of some kinds, by kind and name."""
        return [self.get(kind, name) for kind in kinds for name in self.names(kind)]


def with_article(kind: str) -> str:
    """``a mask``, ``an evaluator``."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
