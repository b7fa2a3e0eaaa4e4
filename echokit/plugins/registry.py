"""The registry: all known components by kind and name."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from echokit.errors import EchokitError, did_you_mean, shortened
from echokit.plugins.component import BUILT_IN, KINDS, Component, check_name, parse_kind, with_article


@dataclass
class Registry:
    """All known components.

    A bare name means the built-in component if there is one. A name that two plugins register is ambiguous until
    ``plugin:name`` selects one.

    Attributes:
        plugins: Names of the plugins that are loaded.
        absent: What to say of a plugin that is installed but not loaded, by its name.
    """

    plugins: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    _components: dict[tuple[str, str], list[Component]] = field(default_factory=dict)

    def add(self, component: Component) -> None:
        """Add a component.

        Raises:
            EchokitError: The kind is unknown, the name is no plain word, the target is not ``module:Class``, a
                summary or mask has another type, or the plugin registers a name twice.
        """
        parse_kind(component.kind)
        check_name(with_article(component.kind), component.name)
        if not isinstance(component.target, str) or component.target.count(":") != 1:
            raise EchokitError(
                f"the target of {component.name!r} is {component.target!r}",
                hint="write 'package.module:Class'",
                code="component.bad_target",
            )
        if not isinstance(component.summary, str) or not isinstance(component.mask, bool):
            raise EchokitError(
                f"{component.name!r} is registered with another type of summary or mask",
                hint="summary is text; mask is True or False",
                code="component.bad_registration",
            )
        same_name = self._components.setdefault((component.kind, component.name), [])
        if any(other.plugin == component.plugin for other in same_name):
            raise EchokitError(
                f"the plugin {component.plugin!r} registers the {component.kind} {component.name!r} twice",
                code="component.registered_twice",
            )
        same_name.append(component)
        same_name.sort(key=lambda other: other.plugin != BUILT_IN)  # the built-in one first

    def get(self, kind: str, name: str) -> Component:
        """Return the component of the name ``name`` or ``plugin:name``.

        Raises:
            EchokitError: No component has the name, its plugin is not loaded, or several plugins register it and
                echokit does not.
        """
        plugin, _, bare = name.rpartition(":")
        matches = [c for c in self._components.get((kind, bare), []) if not plugin or c.plugin == plugin]
        if not matches and plugin not in ("", *self.plugins):
            raise self._no_plugin(plugin)
        if not matches:
            names = self.names(kind)
            raise EchokitError(
                f"there is no {kind} {shortened(name)!r}",
                hint=did_you_mean(name, names) or f"the {kind}s are {', '.join(names)}",
                code="component.unknown",
            )
        if len(matches) > 1 and matches[0].plugin != BUILT_IN:
            claims = " and ".join(f"'{c.full_name}' ({c.target})" for c in matches)
            raise EchokitError(
                f"several plugins register the {kind} {name!r}: {claims}",
                hint="write the full name of one",
                code="component.ambiguous",
            )
        return matches[0]

    def _no_plugin(self, name: str) -> EchokitError:
        if why := self.absent.get(name):
            return EchokitError(why, hint="see echokit plugin list", code="component.no_plugin")
        return EchokitError(
            f"no plugin named {shortened(name)!r} is installed",
            hint=did_you_mean(name, self.plugins)
            or "install its package (echokit plugin list --available), or name its file: --plugin FILE",
            code="component.no_plugin",
        )

    def kind_of(self, name: str, kinds: Sequence[str]) -> str:
        """Return the first of several kinds that has a component of a name.

        If none has, the first that has a similar name, else the first.
        """
        plugin, _, bare = name.rpartition(":")
        known = [k for k in kinds if any(not plugin or c.plugin == plugin for c in self._components.get((k, bare), []))]
        similar = (kind for kind in kinds if did_you_mean(name, self.names(kind)))
        return known[0] if known else next(similar, kinds[0])

    def name_of(self, component: Component) -> str:
        """Return the shortest name of a component.

        It is bare if the bare name means this component, else ``plugin:name``.
        """
        first, *others = self._components[component.kind, component.name]
        unique = component is first and (not others or first.plugin == BUILT_IN)
        return component.name if unique else component.full_name

    def name_of_instance(self, kind: str, instance: object) -> str:
        """Return the full name of the component that made an instance.

        The name of its class, if it is none of a component.
        """
        for component in self.components([kind]):
            module, _, attribute = component.target.partition(":")
            if getattr(sys.modules.get(module), attribute, None) is type(instance):
                return component.full_name
        return type(instance).__name__

    def names(self, kind: str) -> list[str]:
        """List the shortest names of one kind, sorted."""
        return [self.name_of(component) for component in self.components([kind])]

    def conflicts(self) -> list[list[Component]]:
        """Group the components whose name several plugins register, a built-in one first."""
        return [components for components in self._components.values() if len(components) > 1]

    def registered(self, kind: str) -> list[Component]:
        """List the components of one kind in the order of their registration."""
        return [c for (of_kind, _), group in self._components.items() if of_kind == kind for c in group]

    def components(self, kinds: Iterable[str] = KINDS) -> list[Component]:
        """List all components of some kinds, by kind and shortest name."""
        found: list[Component] = []
        for kind in kinds:
            found += sorted(self.registered(kind), key=self.name_of)
        return found
