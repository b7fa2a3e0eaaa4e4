"""The command ``echokit validate``: check a recipe and list every mistake."""

from __future__ import annotations

import click

from echokit.cli import options


@click.command("validate", short_help="Check a recipe and list every mistake.")
@click.argument("recipe")
@options.overrides
def command(recipe: str, overrides: tuple[str, ...]) -> None:
    """Check a RECIPE and list every mistake with its file and line.

    The lock.yaml of a run works as well.

    \b
    Example: echokit validate recipes/ef_112.yaml
    """
    from echokit.recipe.compose import find_recipe
    from echokit.results.lock import recipe_of

    path = find_recipe(recipe)
    loaded = recipe_of(path, overrides)
    loaded.check_files()
    click.echo(f"{path}: valid ({', '.join(f'{use.component.kind} {use.name}' for use in loaded.uses())})")
