"""The command ``echokit plugin``: list, create and check plugins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from echokit.cli import options
from echokit.system.terminal_text import printable

if TYPE_CHECKING:
    from echokit.testing import Result


@click.group("plugin", short_help="List, create and check plugins.")
def command() -> None:
    """List, create and check plugins.

    \b
    Example: echokit plugin new mask half_mask
    """


@command.command("list")
@click.option("--available", is_flag=True, help="List the packages of echokit's repository, and how to install each.")
@options.as_json
@options.plugin_files
def list_plugins(available: bool, as_json: bool) -> None:
    """List every plugin with its package, version, components and commands.

    Plugins that could not be loaded are marked.

    \b
    Examples: echokit plugin list
              ECHOKIT_PLUGINS=sector_mask echokit plugin list
    """
    import json

    from echokit.plugins.component import BUILT_IN
    from echokit.plugins.discovery import Plugin, installed

    if available:
        _list_available(as_json)
        return
    plugins = installed()
    components = plugins.registry.components()

    def additions(plugin: Plugin) -> list[str]:
        kinds_and_names = [f"{c.kind} {plugins.registry.name_of(c)}" for c in components if c.plugin == plugin.name]
        return kinds_and_names + [f"command {c.name}" for c in plugins.commands if c.plugin == plugin.name]

    rows: list[dict[str, Any]] = [
        {
            "name": plugin.name,
            "package": plugin.package,
            "version": plugin.version,
            "status": plugin.status,
            "problem": plugin.problem,
            "adds": additions(plugin),
            "hooks": list(plugin.hooks),
        }
        for plugin in plugins.plugins
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']}  {row['package']} {row['version']}  {row['status']}")
        if row["name"] == BUILT_IN:
            click.echo(f"    {len(row['adds'])} components (echokit list)")
            continue
        for addition in row["adds"]:
            click.echo(f"    {addition}")
        others = [hook for hook in row["hooks"] if hook not in ("echokit_components", "echokit_commands")]
        if others:
            click.echo(f"    hooks {', '.join(others)}")


def _list_available(as_json: bool) -> None:
    import json
    from dataclasses import asdict

    from echokit.plugins.available import available_plugins
    from echokit.plugins.discovery import installed

    known = {plugin.name: plugin for plugin in installed().plugins}
    states = [(p, known[p.name].status if p.name in known else "not installed") for p in available_plugins()]
    if as_json:
        rows = [{**asdict(plugin), "install": plugin.install, "status": status} for plugin, status in states]
        click.echo(json.dumps(rows, indent=2))
        return
    for plugin, status in states:
        click.echo(f"{plugin.name}  {plugin.package} {plugin.version}  {status}\n    {plugin.summary}")
        if plugin.needs:
            click.echo(f"    also installs: {', '.join(plugin.needs)}")
        if status == "not installed":
            click.echo(f"    {plugin.install}")
    if any(status == "not installed" for _, status in states):
        click.echo("\nthe commands are for a checkout of echokit")


@command.command("new")
@click.argument("kind")
@click.argument("name")
@click.option("--into", type=click.Path(path_type=Path), default=Path(), help="Folder in which to create the package.")
def new(kind: str, name: str, into: Path) -> None:
    """Create an installable plugin package with one component NAME.

    KIND is mask, or a kind of `echokit list`.

    The package contains the component, a test that runs the conformance checks, a recipe that uses the component, and
    a README. Existing files are never overwritten.

    \b
    Example: echokit plugin new mask half_mask
    """
    from echokit.plugins.component import with_article
    from echokit.tools.new_plugin import write_package

    folder = write_package(kind, name, into)
    click.echo(f"{folder}: {with_article(kind)} named {name!r}; next:")
    for command_line in (f"pip install -e {folder}", f"echokit plugin check {name}", f"echokit show {name}"):
        click.echo(f"    {command_line}")


@command.command("check")
@click.argument("name")
@click.option("-v", "--verbose", is_flag=True, help="Also show the checks that passed.")
@click.option(
    "--time-limit", type=click.FloatRange(1), default=120, show_default=True, help="Seconds that one check may take."
)
@options.as_json
@options.plugin_files
def check(name: str, verbose: bool, time_limit: float, as_json: bool) -> None:
    """Run the conformance checks on all that the plugin NAME adds.

    Its components, hooks and commands are tried in a process of their own: a plugin that ends it, or does not finish,
    fails the check. Hooks are called with a small run over phantom hearts.

    Exit code 2 means that a check failed, or that nothing was tried.

    \b
    Example: echokit plugin check sector_mask
    """
    import json
    from dataclasses import asdict

    from echokit.testing.separate_process import check_plugin_safely

    results = check_plugin_safely(name, time_limit)
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results], indent=2))
    else:
        _print_results(name, results, verbose=verbose)
    about = ("plugin.", "hook.echokit_cases")
    tried = any(r.outcome != "skipped" for r in results if not r.component.startswith(about))
    if not tried and not as_json:
        click.echo("nothing that the plugin adds was tried: -v says why")
    if not tried or any(result.outcome == "failed" for result in results):
        raise click.exceptions.Exit(2)


def _print_results(name: str, results: Sequence[Result], *, verbose: bool) -> None:
    """Print what did not pass, notes, and how many checks there were."""
    reasons = [result.detail for result in results if result.outcome == "same"]
    for result in results:
        if verbose or result.outcome in ("failed", "expected") or (result.outcome == "passed" and result.detail):
            detail = f": {result.detail}" if result.detail else ""
            click.echo(printable(f"{result.outcome:<8} {result.component}  {result.check}{detail}"))
        same = reasons.count(f"for the same reason as {result.component}  {result.check}")
        if same and result.outcome == "failed":
            click.echo(f"         {same} further check{'s fail' if same > 1 else ' fails'} for the same reason")
    counts = Counter(result.outcome for result in results)
    words = {"same": "failed for the same reason", "skipped": "did not apply", "expected": "known failures"}
    summary = ", ".join(
        f"{counts[outcome]} {words.get(outcome, outcome)}"
        for outcome in ("passed", "failed", "same", "expected", "skipped")
        if counts[outcome] or outcome == "passed"
    )
    labels = sorted({result.component.partition(" ")[0] for result in results})
    things = Counter(label.partition(".")[0] for label in labels)
    parts = {"component": sum(things.values()) - things["plugin"] - things["hook"] - things["command"]}
    parts |= {"hook": things["hook"], "command": things["command"]}
    added = ", ".join(f"{count} {what}{'s' if count > 1 else ''}" for what, count in parts.items() if count)
    click.echo(f"{len(results)} checks of {name} ({added or 'nothing'}): {summary}")
