"""Discovery of plugins, and isolation of broken ones.

A plugin is an installed package with an entry point in the group ``echokit``. One that fails to import or to register
is reported and skipped. It never stops a command that does not need it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pluggy

from echokit.plugins.hookspecs import Command, HookSpecs, Register
from echokit.plugins.registry import BUILT_IN, GROUP, Registry

VARIABLE = "ECHOKIT_PLUGINS"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin and its state.

    Attributes:
        name: Name of the entry point (``echokit`` for the built-in components).
        package, version: The installed distribution.
        module: The module of the entry point.
        problem: Why it was skipped, in one line, or None.
        blocked: Whether ``ECHOKIT_PLUGINS`` excludes it; it is then never imported.
        hooks: Names of the hooks that it implements.
    """

    name: str
    package: str
    version: str
    module: str = ""
    problem: str | None = None
    blocked: bool = False
    hooks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Installed:
    """All installed plugins with their components and commands."""

    registry: Registry
    plugins: tuple[Plugin, ...]
    commands: tuple[Command, ...] = ()
    unknown: tuple[str, ...] = ()
    """Names in ``ECHOKIT_PLUGINS`` that no installed plugin has."""
    managers: Mapping[str, pluggy.PluginManager] = field(default_factory=dict)

    def plugin(self, name: str) -> Plugin:
        """Return the plugin of a name."""
        return next(plugin for plugin in self.plugins if plugin.name == name)

    def warnings(self) -> Iterator[str]:
        """Format one line for each skipped plugin and each ambiguous or unknown name."""
        for plugin in self.plugins:
            if plugin.problem:
                yield f"skipped plugin {plugin.name} ({plugin.package} {plugin.version}): {plugin.problem}"
        for first, *others in self.registry.ambiguous():
            for other in others:
                yield (
                    f"the plugin {other.plugin} registers the {other.kind} {other.name!r}, but so does {first.plugin}: "
                    f"write '{first.plugin}:{first.name}' or '{other.plugin}:{other.name}'"
                )
        for name in self.unknown:
            yield f"{VARIABLE} names the plugin {name!r}, which is not installed"

    def plugins_with_hook(self, hook: str) -> Iterator[str]:
        """List the names of the plugins that implement a hook."""
        for plugin in self.plugins:
            if hook in plugin.hooks:
                yield plugin.name

    def call(self, plugin: str, hook: str, **arguments: Any) -> list[Any]:
        """Call one plugin's implementation of a hook; the caller handles what it raises."""
        results: list[Any] = getattr(self.managers[plugin].hook, hook)(**arguments)
        return results


def describe_exception(error: BaseException) -> str:
    """Format an exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text or 'no message'}"


def _allowed() -> frozenset[str] | None:
    """Read the plugins that ``ECHOKIT_PLUGINS`` allows; None if it is not set."""
    names = os.environ.get(VARIABLE)
    return None if names is None else frozenset(name.strip() for name in names.split(",")) - {""}


def _entries() -> Iterator[Plugin]:
    """List the built-in plugin and all entry points, without importing any."""
    yield Plugin(BUILT_IN, "echokit", importlib.metadata.version("echokit"), "echokit.plugins.builtins")
    allowed = _allowed()
    names = {BUILT_IN}
    for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        package, version = (entry.dist.name, entry.dist.version) if entry.dist else (entry.value, "?")
        plugin = Plugin(entry.name, package, version, entry.value)
        if allowed is not None and entry.name not in allowed:
            plugin = replace(plugin, blocked=True)
        elif entry.name in names:
            plugin = replace(plugin, problem=f"the plugin name {entry.name!r} is taken already")
        names.add(entry.name)
        yield plugin


def discover() -> Installed:
    """Import every allowed plugin and register its components and commands.

    ``ECHOKIT_PLUGINS=a,b`` allows only those two, ``ECHOKIT_PLUGINS=`` none. Other plugins are not imported.
    """
    registry = Registry()
    plugins: list[Plugin] = []
    commands: list[Command] = []
    managers: dict[str, pluggy.PluginManager] = {}
    for plugin in _entries():
        if plugin.blocked or plugin.problem:
            plugins.append(plugin)
            continue
        manager = pluggy.PluginManager("echokit")
        manager.add_hookspecs(HookSpecs)
        own = Registry()
        try:
            manager.register(importlib.import_module(plugin.module), name=plugin.name)
            manager.check_pending()
            manager.hook.echokit_components(register=Register(own, plugin.name))
            added = [command for answer in manager.hook.echokit_commands() for command in _commands(plugin, answer)]
        except (Exception, SystemExit) as error:
            if plugin.name == BUILT_IN:
                raise
            plugins.append(replace(plugin, problem=describe_exception(error)))
            continue
        for component in own.components():  # only once the whole plugin has registered: never half of one
            registry.add(component)
        commands += added
        managers[plugin.name] = manager
        hooks = tuple(sorted(caller.name for caller in manager.get_hookcallers(manager.get_plugin(plugin.name)) or ()))
        plugins.append(replace(plugin, hooks=hooks))
    unknown = tuple(sorted((_allowed() or frozenset()) - {plugin.name for plugin in plugins}))
    return Installed(registry, tuple(plugins), tuple(commands), unknown, managers)


def _commands(plugin: Plugin, answer: Mapping[str, tuple[str, str]]) -> Iterator[Command]:
    for name, (target, summary) in answer.items():
        if target.count(":") != 1:
            raise ValueError(f"the target of the command {name!r} is {target!r}, not 'package.module:command'")
        yield Command(name, target, plugin.name, summary)


@functools.cache
def installed() -> Installed:
    """Discover the installed plugins once per process."""
    return discover()
