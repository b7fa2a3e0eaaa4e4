"""The command ``echokit list``: list runs, and what a recipe can use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from echokit.cli import options
from echokit.system.terminal_text import printable


@click.command("list", short_help="List runs, or what a recipe can use.")
@click.argument("kind", required=False)
@options.runs_folder
@options.as_json
@options.plugin_files
def command(kind: str | None, out: Path, as_json: bool) -> None:
    """List the runs of a folder, or the names that a recipe can use.

    KIND, singular or plural, is runs, one of the kinds of components (backbones, callbacks, ...), or one of masks,
    metrics. Optimizers and schedulers are listed with those of torch and timm. Without KIND, all components are listed.

    \b
    Examples: echokit list runs
              echokit list backbones
    """
    from echokit.tools.recipe_choices import CHOICES, OTHER_WORDS

    word = (kind or "").removesuffix("s")
    word = OTHER_WORDS.get(word, word)
    if word == "run":
        _list_runs(out, as_json)
    elif word in CHOICES:
        _list_choices(word, as_json)
    else:
        _list_components(kind, as_json)


def _list_runs(out: Path, as_json: bool) -> None:
    import json

    from echokit.results.run_list import list_runs

    rows = list_runs(out)
    if as_json:
        click.echo(json.dumps([row.to_dict() for row in rows], indent=2, allow_nan=False))
        return
    for row in rows:
        place, *rest = row.lines()
        click.echo(printable(place))
        for line in rest:
            click.echo(printable(f"    {line}"))
    if not rows:
        click.echo(f"there are no runs in {out}: `echokit run quickstart` makes one")


def _list_choices(kind: str, as_json: bool) -> None:
    import json

    from echokit.tools.recipe_choices import CHOICES, list_choices

    choices = list_choices(kind)
    if as_json:
        rows = [{"kind": c.kind, "name": c.name, "origin": c.origin, "summary": c.summary} for c in choices]
        click.echo(json.dumps(rows, indent=2))
        return
    width = max(len(choice.name) for choice in choices)
    click.echo(f"{kind}: {CHOICES[kind]}")
    for choice in choices:
        click.echo(f"  {choice.name:<{width}}  {choice.summary.partition(';')[0]}  [{choice.origin}]")


def _list_components(kind: str | None, as_json: bool) -> None:
    import json

    from echokit.plugins.component import KINDS, parse_kind
    from echokit.plugins.discovery import installed
    from echokit.tools.recipe_choices import CHOICES

    plugins = installed()
    masks = kind in ("mask", "masks")
    kinds = ["preprocessor"] if masks else [parse_kind(kind)] if kind else list(KINDS)
    rows: list[dict[str, Any]] = []
    for component in plugins.registry.components(kinds):
        if masks and not component.mask:
            continue
        plugin = plugins.plugin(component.plugin)
        name = plugins.registry.name_of(component)
        row = {"kind": component.kind, "name": name, "plugin": plugin.name, "package": plugin.package}
        rows.append({**row, "version": plugin.version, "mask": component.mask, "summary": component.summary})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for of_kind in kinds:
        click.echo("mask: a preprocessor that blanks a region" if masks else f"{of_kind}: {KINDS[of_kind]}")
        for row in (row for row in rows if row["kind"] == of_kind):
            notes = [] if row["plugin"] == "echokit" else [f"{row['package']} {row['version']}"]
            if row["mask"] and not masks:
                notes.insert(0, "mask")
            note = f"  [{', '.join(notes)}]" if notes else ""
            click.echo(f"  {row['name']:<{width}}  {row['summary'] or 'no summary'}{note}")
    if any("study" in row["summary"] for row in rows):
        click.echo(f"\nreference study: {options.STUDY}")
    if not kind:
        others = ", ".join(f"echokit list {name}s" for name in ("run", "mask", *CHOICES))
        click.echo(f"\nalso: {others}")
