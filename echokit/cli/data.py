"""``echokit data``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from echokit.cli.options import overrides as with_overrides


@click.group("data", short_help="Make and prepare data.")
def command() -> None:
    """Make and prepare data."""


@command.command("phantom")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--cases", type=click.IntRange(min=1), default=224, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--ef", type=click.Choice(["realistic", "wide"]), default="realistic", show_default=True)
def phantom(directory: Path, cases: int, seed: int, ef: Literal["realistic", "wide"]) -> None:
    """Write synthetic beating hearts into DIRECTORY, in the layout of EchoNet-Dynamic.

    \b
    Example: echokit data phantom phantom --cases 100 --seed 1
    """
    from echokit.cli.console import Screen
    from echokit.phantom.layout import write_phantom
    from echokit.stamp import STAMP

    with Screen().task("Making phantom hearts", cases) as advance:
        write_phantom(directory, cases=cases, seed=seed, ef=ef, advance=advance)
    click.echo(f"{STAMP}: {cases} synthetic videos in {directory}")


@command.command("prepare")
@click.argument("recipe")
@with_overrides
def prepare_clips(recipe: str, overrides: tuple[str, ...]) -> None:
    """Decode and preprocess every video of a RECIPE into the clip store, without training.

    \b
    Example: echokit data prepare ef_112
    """
    from echokit.cli.console import Screen
    from echokit.core import prepare, read_data
    from echokit.progress import shown_by
    from echokit.recipe.check import load_recipe
    from echokit.recipe.compose import find_recipe

    with shown_by(Screen()):
        preparation = prepare(read_data(load_recipe(find_recipe(recipe), overrides)))
    ready, made = len(preparation.clips), preparation.made
    click.echo(
        f"{ready} clips are ready: {made} made now, {ready - made} were there; {len(preparation.failures)} unreadable"
    )
