"""Plugins: the hook through which components register, built-in ones included, and their discovery.

A plugin is any installed package with an entry point in the group ``echokit``. One that fails to import or to
register is reported and skipped; it never stops a command that does not need it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pluggy

from echokit.registry import Component, Registry

GROUP = "echokit"
hookimpl = pluggy.HookimplMarker("echokit")
_hookspec = pluggy.HookspecMarker("echokit")


class Register:
    """Given to ``echokit_components``; one method a kind, each ``(name, "package.module:Class", summary="...")``."""

    def __init__(self, registry: Registry, plugin: str) -> None:
        self._registry = registry
        self._plugin = plugin

    def _add(self, kind: str, name: str, target: str, summary: str, mask: bool = False) -> None:
        self._registry.add(Component(kind, name, target, self._plugin, summary, mask))

    def dataset(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("dataset", name, target, summary)

    def preprocessor(self, name: str, target: str, *, summary: str = "", mask: bool = False) -> None:
        self._add("preprocessor", name, target, summary, mask)

    def sampler(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("sampler", name, target, summary)

    def augmentation(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("augmentation", name, target, summary)

    def backbone(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("backbone", name, target, summary)

    def fusion(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("fusion", name, target, summary)

    def objective(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("objective", name, target, summary)

    def resampler(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("resampler", name, target, summary)

    def evaluator(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("evaluator", name, target, summary)


class HookSpecs:
    """The hooks that a plugin may implement."""

    @_hookspec
    def echokit_components(self, register: Register) -> None:
        """Register components. Called once, when echokit first looks a component up.

        Args:
            register: Has one method a kind; give it a name and ``"package.module:Class"``, which is imported when used.
        """


@dataclass(frozen=True, slots=True)
class Plugin:
    """What became of one plugin.

    Attributes:
        name: Name of the entry point (``echokit`` for what is built in).
        package, version: The installed distribution.
        problem: Why it was skipped, in one line, or None.
    """

    name: str
    package: str
    version: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Installed:
    """Everything that is installed: the components, and the plugins that they came from."""

    registry: Registry
    plugins: tuple[Plugin, ...]

    def plugin(self, name: str) -> Plugin:
        """The plugin of that name."""
        return next(plugin for plugin in self.plugins if plugin.name == name)


def _allowed(name: str) -> bool:
    wanted = os.environ.get("ECHOKIT_PLUGINS")
    return wanted is None or name in {word.strip() for word in wanted.split(",")}


def _discover() -> Iterator[tuple[Plugin, Any]]:
    yield Plugin("echokit", "echokit", importlib.metadata.version("echokit")), "echokit.builtins"
    for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        if _allowed(entry.name):
            package, version = (entry.dist.name, entry.dist.version) if entry.dist else (entry.value, "?")
            yield Plugin(entry.name, package, version), entry.value


def discover() -> Installed:
    """Import every allowed plugin and let it register its components.

    ``ECHOKIT_PLUGINS=a,b`` allows only those two, ``ECHOKIT_PLUGINS=`` none; what is not allowed is not imported.
    """
    registry = Registry()
    plugins = []
    for plugin, module in _discover():
        manager = pluggy.PluginManager("echokit")
        manager.add_hookspecs(HookSpecs)
        trial = Registry()
        try:
            manager.register(importlib.import_module(module), name=plugin.name)
            manager.check_pending()
            manager.hook.echokit_components(register=Register(trial, plugin.name))
        except (Exception, SystemExit) as error:
            if plugin.name == "echokit":
                raise
            problem = " ".join(str(error).split()) or "no message"
            plugins.append(Plugin(plugin.name, plugin.package, plugin.version, f"{type(error).__name__}: {problem}"))
            continue
        for component in trial.components():  # only once the whole plugin has registered: never half of one
            registry.add(component)
        plugins.append(plugin)
    return Installed(registry, tuple(plugins))


@functools.cache
def installed() -> Installed:
    """What is installed, found once a process."""
    return discover()
