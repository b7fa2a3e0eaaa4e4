"""The command ``echokit explain``: show every value of a recipe and its origin."""

from __future__ import annotations

import click

from echokit.cli import options


@click.command("explain", short_help="Show every value of a recipe and its origin.")
@click.argument("recipe")
@options.overrides
@options.as_json
@options.plugin_files
def command(recipe: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show every value of a RECIPE, defaults included, and its origin.

    The lock.yaml of a run works as well.

    \b
    Example: echokit explain ef_112 --set train.epochs=3
    """
    import json

    from echokit.recipe.compose import find_recipe
    from echokit.recipe.explain import explain
    from echokit.results.lock import recipe_of

    rows = explain(recipe_of(find_recipe(recipe), overrides))
    if as_json:
        click.echo(json.dumps([{"key": row.key, "value": row.value, "origin": row.origin} for row in rows], indent=2))
        return
    keys = max(len(row.key) for row in rows)
    values = min(40, max(len(json.dumps(row.value)) for row in rows))
    for row in rows:
        click.echo(f"{row.key:<{keys}}  {json.dumps(row.value):<{values}}  {row.origin}")
