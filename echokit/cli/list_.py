"""The command ``echokit list``: list runs, and what a recipe can use."""

from __future__ import annotations

from pathlib import Path

import click

from echokit.cli import options
from echokit.system.terminal_text import printable


@click.command("list", short_help="List runs, or what a recipe can use.")
@click.argument("kind", required=False)
@options.runs_folder
@options.as_json
def command(kind: str | None, out: Path, as_json: bool) -> None:
    """List the runs of a folder, or the names that a recipe can use.

    KIND, singular or plural, is runs, one of the kinds of components (backbones, evaluators, ...), or one of
    trackers, metrics. Optimizers and schedulers are listed with those of torch and timm. Without KIND, all components
    are listed.

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

    from echokit.plugins.discovery import installed
    from echokit.plugins.registry import KINDS, parse_kind
    from echokit.tools.recipe_choices import CHOICES

    plugins = installed()
    kinds = [parse_kind(kind)] if kind else list(KINDS)
    components, name_of = plugins.registry.components(kinds), plugins.registry.name_of
    if as_json:
        rows = [
            {"kind": c.kind, "name": name_of(c), "plugin": c.plugin, "summary": c.summary, "mask": c.mask}
            for c in components
        ]
        click.echo(json.dumps(rows, indent=2))
    else:
        width = max((len(name_of(component)) for component in components), default=0)
        for of_kind in kinds:
            click.echo(f"{of_kind}: {KINDS[of_kind]}")
            for c in (c for c in components if c.kind == of_kind):
                origin = "" if c.plugin == "echokit" else f"  [{c.plugin}]"
                click.echo(f"  {name_of(c):<{width}}  {c.summary}{origin}")
        if any("study" in component.summary for component in components):
            click.echo(f"\nreference study: {options.STUDY}")
        if not kind:
            others = ", ".join(f"echokit list {name}s" for name in ("run", *CHOICES))
            click.echo(f"\nalso: {others}")
