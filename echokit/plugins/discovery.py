"""Discovery of plugins, and isolation of broken ones.

A plugin is an installed package with an entry point in the group ``echokit``. One that fails to import or to register,
or that ends the interpreter, is reported and skipped. It never stops a command that does not need it. Single files and
classes of a notebook are plugins too, once the user has named them, see `given`.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import os
import pickle
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pluggy

from echokit.errors import EchokitError, shortened
from echokit.plugins.component import BUILT_IN, GROUP, Component, check_name
from echokit.plugins.foreign_code import describe_exception, output_to_stderr
from echokit.plugins.hookspecs import Command, HookSpecs, Register
from echokit.plugins.registry import Registry
from echokit.plugins.rehearsal import rehearse
from echokit.system.distribution import DISTRIBUTION, VERSION
from echokit.system.source_modules import SourceModule, source_modules
from echokit.system.worker_pool import from_parent, to_workers

VARIABLE = "ECHOKIT_PLUGINS"
GIVEN = "echokit_plugin_"
"""What the name of a source module begins with that is a plugin."""
NOTEBOOK = "notebook"
"""Name of the plugin of what a notebook registers."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin and its state.

    Attributes:
        name: Name of the entry point (``echokit`` for the built-in components).
        package, version: The installed distribution.
        module: The module of the entry point.
        attribute: The object in it that has the hooks; empty for the module itself.
        problem: Why it was skipped, in one line, or None.
        blocked: Whether ``ECHOKIT_PLUGINS`` excludes it; it is then never imported.
        hooks: Names of the hooks that it implements.
        file: The single file that it consists of, as the user named it; empty for a package or a notebook.
    """

    name: str
    package: str
    version: str
    module: str = ""
    attribute: str = ""
    problem: str | None = None
    blocked: bool = False
    hooks: tuple[str, ...] = ()
    file: str = ""

    @property
    def status(self) -> str:
        """Say whether it was loaded."""
        return f"blocked by {VARIABLE}" if self.blocked else "skipped" if self.problem else "loaded"

    def why_absent(self) -> str | None:
        """Say why an installed plugin is not loaded; None if it is."""
        if self.blocked:
            return f"the plugin {self.name!r} is blocked: {VARIABLE} does not name it"
        return f"the plugin {self.name!r} was skipped: {self.problem}" if self.problem else None

    def object(self) -> Any:
        """Import the object that has its hooks.

        Raises:
            BaseException: Whatever the plugin raises.
        """
        found: Any = importlib.import_module(self.module)
        for part in filter(None, self.attribute.split(".")):
            found = getattr(found, part)
        return found() if isinstance(found, type) else found


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
        for (first, other), names in self._conflicts().items():
            choice = "" if first == BUILT_IN else f"'{first}:{names[0][1]}' or "
            bare = "the bare names mean echokit's" if first == BUILT_IN else "the bare names are ambiguous"
            shown = ", ".join(f"{kind} {name!r}" for kind, name in names[:3])
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            yield (
                f"the plugin {other} registers the {shown}{more}, but so does {first}: {bare}; "
                f"write {choice}'{other}:{names[0][1]}'"
            )
        for name in self.unknown:
            yield f"{VARIABLE} names the plugin {name!r}, which is not installed"

    def _conflicts(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """Group the kinds and names that two plugins register by these two."""
        found: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for first, *others in self.registry.conflicts():
            for other in others:
                found.setdefault((first.plugin, other.plugin), []).append((other.kind, other.name))
        return found

    def plugins_with_hook(self, hook: str) -> Iterator[str]:
        """List the names of the plugins that implement a hook."""
        for plugin in self.plugins:
            if hook in plugin.hooks:
                yield plugin.name

    def call(self, plugin: str, hook: str, **arguments: Any) -> list[Any]:
        """Call one plugin's implementation of a hook; the caller handles what it raises."""
        results: list[Any] = getattr(self.managers[plugin].hook, hook)(**arguments)
        return results


def _allowed() -> frozenset[str] | None:
    """Read the plugins that ``ECHOKIT_PLUGINS`` allows; None if it is not set."""
    names = os.environ.get(VARIABLE)
    return None if names is None else frozenset(name.strip() for name in names.split(",")) - {""}


def entries() -> Iterator[Plugin]:
    """List all plugins without importing any: built-in, installed, given."""
    yield Plugin(BUILT_IN, DISTRIBUTION, VERSION, "echokit.plugins.builtins")
    allowed = _allowed()
    names = {BUILT_IN}
    for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        package, version = _distribution(entry)
        module, _, attribute = entry.value.partition("[")[0].replace(" ", "").partition(":")
        plugin = Plugin(entry.name, package, version, module, attribute)
        if allowed is not None and entry.name not in allowed:
            plugin = replace(plugin, blocked=True)
        elif entry.name in names:
            plugin = replace(plugin, problem=f"the plugin name {entry.name!r} is taken already")
        else:
            try:
                check_name("a plugin", entry.name, dots=True)
            except EchokitError as error:
                plugin = replace(plugin, problem=error.message)
        names.add(entry.name)
        yield plugin
    yield from filter(None, map(given_plugin, source_modules()))


def given_plugin(module: SourceModule) -> Plugin | None:
    """Return the plugin that a module of the user is; None for a module without hooks."""
    if not module.name.startswith(GIVEN):
        return None
    name = module.name.removeprefix(GIVEN)
    if name == NOTEBOOK:
        return Plugin(name, NOTEBOOK, "session", module.name)
    return Plugin(name, Path(module.file).name, module.hash[:12], module.name, file=module.file)


def _distribution(entry: importlib.metadata.EntryPoint) -> tuple[str, str]:
    """Return the name and version of a distribution.

    Its metadata may be damaged.
    """
    try:
        return (entry.dist.name or entry.value, entry.dist.version or "?") if entry.dist else (entry.value, "?")
    except Exception:
        return entry.value, "?"


@dataclass(frozen=True)
class Loaded:
    """What a plugin has registered, complete or not at all."""

    components: list[Component]
    commands: list[Command]
    manager: pluggy.PluginManager
    hooks: tuple[str, ...]


def load(plugin: Plugin) -> Loaded:
    """Import a plugin, and collect what it registers.

    Raises:
        BaseException: Whatever the plugin raises.
    """
    manager = pluggy.PluginManager("echokit")
    manager.add_hookspecs(HookSpecs)
    own = Registry()
    with output_to_stderr():
        manager.register(plugin.object(), name=plugin.name)
        manager.check_pending()
        manager.hook.echokit_components(register=Register(own, plugin.name))
        commands = [command for answer in manager.hook.echokit_commands() for command in _commands(plugin, answer)]
    hooks = tuple(sorted(caller.name for caller in manager.get_hookcallers(manager.get_plugin(plugin.name)) or ()))
    return Loaded(own.components(), commands, manager, hooks)


def discover() -> Installed:
    """Import every allowed plugin and register its components and commands.

    ``ECHOKIT_PLUGINS=a,b`` allows only those two, ``ECHOKIT_PLUGINS=`` none. Other plugins are not imported.
    """
    registry = Registry()
    plugins: list[Plugin] = []
    commands: list[Command] = []
    managers: dict[str, pluggy.PluginManager] = {}
    for plugin in _rehearsed(list(entries())):
        if plugin.blocked or plugin.problem:
            plugins.append(plugin)
            continue
        try:
            loaded = load(plugin)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit, and what a plugin derives from BaseException
            if plugin.name == BUILT_IN:
                raise
            plugins.append(replace(plugin, problem=describe_exception(error)))
            continue
        for component in loaded.components:  # only once the whole plugin has registered: never half of one
            registry.add(component)
        commands += loaded.commands
        managers[plugin.name] = loaded.manager
        plugins.append(replace(plugin, hooks=loaded.hooks))
        registry.plugins.append(plugin.name)
    registry.absent.update({plugin.name: why for plugin in plugins if (why := plugin.why_absent())})
    unknown = tuple(sorted((_allowed() or frozenset()) - {plugin.name for plugin in plugins}))
    return Installed(registry, tuple(plugins), tuple(commands), unknown, managers)


def _rehearsed(plugins: list[Plugin]) -> list[Plugin]:
    """Mark the plugins whose import would end this process."""
    foreign = [index for index, plugin in enumerate(plugins) if index and not (plugin.blocked or plugin.problem)]
    new = [index for index in foreign if plugins[index].module not in sys.modules]
    for number, problem in rehearse([functools.partial(load, plugins[index]) for index in new]).items():
        plugins[new[number]] = replace(plugins[new[number]], problem=problem)
    return plugins


def _commands(plugin: Plugin, answer: Mapping[str, tuple[str, str]]) -> Iterator[Command]:
    for name, (target, summary) in answer.items():
        check_name("a command", name)
        if not isinstance(summary, str):
            raise TypeError(f"the summary of the command {name!r} is {summary!r}, not text")
        if not isinstance(target, str) or target.count(":") != 1:
            raise ValueError(
                f"the target of the command {name!r} is {shortened(repr(target))}, not 'package.module:command'; "
                'in a plugin of one file write f"{__name__}:command"'
            )
        yield Command(name, target, plugin.name, summary)


@functools.cache
def installed() -> Installed:
    """Discover the installed plugins once per process.

    A worker has what its parent found, without their hooks.
    """
    if "plugins" in from_parent:
        inherited: Installed = pickle.loads(from_parent["plugins"])
        return inherited
    return discover()


def _for_workers() -> bytes:
    return pickle.dumps(replace(installed(), managers={}))


to_workers["plugins"] = _for_workers
