"""The command ``echokit list``: list the components that a recipe can use."""

from __future__ import annotations

import click

from echokit.cli import options


@click.command("list", short_help="List the components that a recipe can use.")
@click.argument("kind", required=False)
@options.as_json
def command(kind: str | None, as_json: bool) -> None:
    """List the components that a recipe can use.

    With KIND (singular or plural), list those of one kind.

    \b
    Example: echokit list backbones
    """
    import json

    from echokit.plugins.discovery import installed
    from echokit.plugins.registry import KINDS, parse_kind

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
