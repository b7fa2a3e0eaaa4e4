"""The command ``echokit schema``: print the JSON Schema of recipes."""

from __future__ import annotations

import click

from echokit.cli import options


@click.command("schema", short_help="Print the JSON Schema of recipes.")
@options.plugin_files
def command() -> None:
    """Print the JSON Schema of recipes, for completion in editors.

    It includes installed plugins.

    \b
    Example: echokit schema > recipe.schema.json
    """
    import json

    from echokit.recipe.json_schema import recipe_schema

    click.echo(json.dumps(recipe_schema(), indent=2))
