"""Commands that plugins add, and messages about broken or conflicting plugins."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator

import click

from echokit.errors import EchokitError, did_you_mean, location_in_package
from echokit.plugins.discovery import Plugin, installed
from echokit.plugins.foreign_code import describe_exception, output_to_stderr


def available_commands(built_in: Iterable[str]) -> dict[str, click.Command]:
    """List the commands of plugins for ``echokit --help``, without importing them."""
    built_in = set(built_in)
    return {
        command.name: click.Command(command.name, short_help=f"{command.summary} [{command.plugin}]")
        for command in installed().commands
        if command.name not in built_in
    }


def load_command(name: str, built_in: Iterable[str]) -> click.Command:
    """Import the command of a plugin.

    Raises:
        EchokitError: No plugin adds it, several do, or it cannot be imported.
    """
    matches = [command for command in installed().commands if command.name == name]
    if not matches:
        known_names = [*built_in, *(command.name for command in installed().commands)]
        raise EchokitError(
            f"there is no command {name!r}",
            hint=did_you_mean(name, known_names) or "see echokit --help",
            code="command.unknown",
        )
    if len(matches) > 1:
        plugins = [command.plugin for command in matches]
        raise EchokitError(
            f"the command {name!r} is claimed by the plugins {' and '.join(plugins)}",
            hint=f"choose one: ECHOKIT_PLUGINS={plugins[0]} echokit {name} ...",
            code="command.ambiguous",
        )
    (command,) = matches
    module, _, attribute = command.target.partition(":")
    try:
        with output_to_stderr():
            loaded = getattr(importlib.import_module(module), attribute)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit as well
        raise EchokitError(
            f"the command {name!r} of the plugin {command.plugin!r} cannot be imported: {describe_exception(error)}",
            where=command.target,
            code="command.import_failed",
        ) from error
    if not isinstance(loaded, click.Command):
        raise EchokitError(
            f"the command {name!r} of the plugin {command.plugin!r} is not a click command",
            code="command.not_click",
        )
    return loaded


def plugin_problems(built_in: Iterable[str]) -> Iterator[str]:
    """Yield a line for each plugin that was skipped or conflicts with another."""
    yield from installed().warnings()
    built_in = set(built_in)
    for command in installed().commands:
        if command.name in built_in:
            yield f"the plugin {command.plugin} adds the command {command.name!r}, which echokit has: it is left out"


def plugin_failure(error: BaseException) -> EchokitError | None:
    """Describe an exception raised inside a plugin; None for any other."""
    plugins = {plugin.module.partition(".")[0]: plugin for plugin in installed().plugins if not plugin.blocked}
    for component in installed().registry.components():  # its class may be in another package
        plugins.setdefault(component.target.partition(".")[0], installed().plugin(component.plugin))
    culprit: Plugin | None = None
    step = error.__traceback__
    while step is not None:
        package = str(step.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in plugins and plugins[package].name != "echokit":
            culprit = plugins[package]
        step = step.tb_next
    if culprit is None:
        return None
    return EchokitError(
        f"the plugin {culprit.name!r} ({culprit.package} {culprit.version}) failed: {describe_exception(error)}",
        hint="show its traceback with --debug; update, fix or uninstall the plugin",
        where=location_in_package(error, culprit.module.partition(".")[0]),
        code="plugin.failed",
    )
