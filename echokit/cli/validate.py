"""The command ``echokit validate``: check a recipe and list every mistake."""

from __future__ import annotations

from pathlib import Path

import click

from echokit.cli import options


@click.command("validate", short_help="Check a recipe and list every mistake.")
@click.argument("recipe")
@options.overrides
@options.device
@options.runs_folder
@options.plugin_files
def command(recipe: str, overrides: tuple[str, ...], device: str, out: Path) -> None:
    """Check a RECIPE and list every mistake with its file and line.

    Then check device and model, and the cohort if its data are here, as `run` does before it opens a video. What could
    not be checked is listed. The lock.yaml of a run works as well.

    \b
    Example: echokit validate recipes/ef_112.yaml
    """
    from echokit.cli.screen import Screen
    from echokit.pipeline.dry_run import validate
    from echokit.pipeline.session import RunRequest
    from echokit.recipe.compose import find_recipe
    from echokit.results.lock import recipe_of
    from echokit.system.progress import show_progress_on

    path = find_recipe(recipe)
    loaded = recipe_of(path, overrides)
    loaded.check_files()
    with show_progress_on(Screen()):
        unchecked = validate(RunRequest(loaded, out, device))
    click.echo(f"{path}: valid ({', '.join(f'{use.component.kind} {use.name}' for use in loaded.uses())})")
    for what in unchecked:
        click.echo(f"{path}: not checked: {what}")
