"""Commands that plugins add, and what is said of plugins that are broken or in the way."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator

import click

from echokit.errors import EchokitError, did_you_mean, place_within
from echokit.plugins import Plugin, in_words, installed


def offered(built_in: Iterable[str]) -> dict[str, click.Command]:
    """Commands of plugins by name, as the help of echokit shows them; none of them is imported."""
    own = set(built_in)
    return {
        command.name: click.Command(command.name, short_help=f"{command.summary} [{command.plugin}]")
        for command in installed().commands
        if command.name not in own
    }


def load(name: str, built_in: Iterable[str]) -> click.Command:
    """Import the command of a plugin.

    Raises:
        EchokitError: No plugin adds it, several do, or it can not be imported.
    """
    found = [command for command in installed().commands if command.name == name]
    if not found:
        known = [*built_in, *(command.name for command in installed().commands)]
        raise EchokitError(f"there is no command {name!r}", hint=did_you_mean(name, known) or "see echokit --help")
    if len(found) > 1:
        plugins = [command.plugin for command in found]
        raise EchokitError(
            f"the command {name!r} is claimed by the plugins {' and '.join(plugins)}",
            hint=f"choose one: ECHOKIT_PLUGINS={plugins[0]} echokit {name} ...",
        )
    (command,) = found
    module, _, attribute = command.target.partition(":")
    try:
        loaded = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        raise EchokitError(
            f"the command {name!r} of the plugin {command.plugin!r} can not be imported: {in_words(error)}",
            where=command.target,
        ) from error
    if not isinstance(loaded, click.Command):
        raise EchokitError(f"the command {name!r} of the plugin {command.plugin!r} is no click command")
    return loaded


def troubles(built_in: Iterable[str]) -> Iterator[str]:
    """A line for each plugin that was skipped or is in the way of another."""
    yield from installed().troubles()
    own = set(built_in)
    for command in installed().commands:
        if command.name in own:
            yield f"the plugin {command.plugin} adds the command {command.name!r}, which echokit has: it is left out"


def blamed(error: BaseException) -> EchokitError | None:
    """The error to show instead of a traceback that leads into a plugin; None where no plugin is to blame."""
    if "echokit.plugins" not in sys.modules:
        return None
    plugins = {plugin.module.partition(".")[0]: plugin for plugin in installed().plugins if not plugin.blocked}
    culprit: Plugin | None = None
    step = error.__traceback__
    while step is not None:
        room = str(step.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if room in plugins and plugins[room].name != "echokit":
            culprit = plugins[room]
        step = step.tb_next
    if culprit is None:
        return None
    return EchokitError(
        f"the plugin {culprit.name!r} ({culprit.package} {culprit.version}) failed: {in_words(error)}",
        hint="--debug shows its traceback; mend or uninstall it",
        where=place_within(error, culprit.module.partition(".")[0]),
    )
