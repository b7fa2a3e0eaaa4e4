"""Plugins: their discovery, and the isolation of a broken one.

A plugin is any installed package with an entry point in the group ``echokit``. One that fails to import or to
register is reported and skipped; it never stops a command that does not need it.
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

from echokit.hooks import Command, HookSpecs, Register
from echokit.registry import BUILT_IN, Registry

GROUP = "echokit"
VARIABLE = "ECHOKIT_PLUGINS"


@dataclass(frozen=True, slots=True)
class Plugin:
    """What became of one plugin.

    Attributes:
        name: Name of the entry point (``echokit`` for what is built in).
        package, version: The installed distribution.
        module: The module of the entry point.
        problem: Why it was skipped, in one line, or None.
        blocked: Whether ``ECHOKIT_PLUGINS`` leaves it out; it is then never imported.
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
    """Everything that is installed: the components and commands, and the plugins that they came from."""

    registry: Registry
    plugins: tuple[Plugin, ...]
    commands: tuple[Command, ...] = ()
    unknown: tuple[str, ...] = ()
    """Names in ``ECHOKIT_PLUGINS`` that no installed plugin has."""
    managers: Mapping[str, pluggy.PluginManager] = field(default_factory=dict)

    def plugin(self, name: str) -> Plugin:
        """The plugin of that name."""
        return next(plugin for plugin in self.plugins if plugin.name == name)

    def troubles(self) -> Iterator[str]:
        """One line for each plugin that was skipped, and for each name that is claimed twice."""
        for plugin in self.plugins:
            if plugin.problem:
                yield f"skipped plugin {plugin.name} ({plugin.package} {plugin.version}): {plugin.problem}"
        for components in self.registry.claimed_twice():
            first, *others = components
            for other in others:
                yield (
                    f"the plugin {other.plugin} registers the {other.kind} {other.name!r}, a name that {first.plugin} "
                    f"has too: write '{first.plugin}:{first.name}' or '{other.plugin}:{other.name}'"
                )
        for name in self.unknown:
            yield f"{VARIABLE} names the plugin {name!r}, which is not installed"

    def implementing(self, hook: str) -> Iterator[str]:
        """Names of the plugins that implement a hook."""
        for plugin in self.plugins:
            if hook in plugin.hooks:
                yield plugin.name

    def call(self, plugin: str, hook: str, **arguments: Any) -> list[Any]:
        """Call one plugin's implementation of a hook; whatever it raises is the caller's to handle."""
        results: list[Any] = getattr(self.managers[plugin].hook, hook)(**arguments)
        return results


def in_words(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text or 'no message'}"


def _wanted() -> frozenset[str] | None:
    """The plugins that ``ECHOKIT_PLUGINS`` allows, or None where it is not set."""
    wanted = os.environ.get(VARIABLE)
    return None if wanted is None else frozenset(word.strip() for word in wanted.split(",")) - {""}


def _entries() -> Iterator[Plugin]:
    yield Plugin(BUILT_IN, "echokit", importlib.metadata.version("echokit"), "echokit.builtins")
    wanted = _wanted()
    seen = {BUILT_IN}
    for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        package, version = (entry.dist.name, entry.dist.version) if entry.dist else (entry.value, "?")
        plugin = Plugin(entry.name, package, version, entry.value)
        if wanted is not None and entry.name not in wanted:
            plugin = replace(plugin, blocked=True)
        elif entry.name in seen:
            plugin = replace(plugin, problem=f"the plugin name {entry.name!r} is taken already")
        seen.add(entry.name)
        yield plugin


def discover() -> Installed:
    """Import every allowed plugin and let it register its components and commands.

    ``ECHOKIT_PLUGINS=a,b`` allows only those two, ``ECHOKIT_PLUGINS=`` none; what is not allowed is not imported.
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
        trial = Registry()
        try:
            manager.register(importlib.import_module(plugin.module), name=plugin.name)
            manager.check_pending()
            manager.hook.echokit_components(register=Register(trial, plugin.name))
            added = [command for answer in manager.hook.echokit_commands() for command in _commands(plugin, answer)]
        except (Exception, SystemExit) as error:
            if plugin.name == BUILT_IN:
                raise
            plugins.append(replace(plugin, problem=in_words(error)))
            continue
        for component in trial.components():  # only once the whole plugin has registered: never half of one
            registry.add(component)
        commands += added
        managers[plugin.name] = manager
        hooks = tuple(sorted(caller.name for caller in manager.get_hookcallers(manager.get_plugin(plugin.name)) or ()))
        plugins.append(replace(plugin, hooks=hooks))
    unknown = tuple(sorted((_wanted() or frozenset()) - {plugin.name for plugin in plugins}))
    return Installed(registry, tuple(plugins), tuple(commands), unknown, managers)


def _commands(plugin: Plugin, answer: Mapping[str, tuple[str, str]]) -> Iterator[Command]:
    for name, (target, summary) in answer.items():
        if target.count(":") != 1:
            raise ValueError(f"the target of the command {name!r} is {target!r}, not 'package.module:command'")
        yield Command(name, target, plugin.name, summary)


@functools.cache
def installed() -> Installed:
    """What is installed, found once a process."""
    return discover()
