"""``echokit data``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from echokit.cli.options import overrides as with_overrides
from echokit.phantom.layouts import LAYOUTS


def _usual_cases() -> str:
    return ", ".join(f"{layout.cases} {layout.counted} ({name})" for name, layout in LAYOUTS.items())


@click.group("data", short_help="Make and prepare data.")
def command() -> None:
    """Make and prepare data."""


@command.command("phantom")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--layout", type=click.Choice(list(LAYOUTS)), default="echonet_dynamic", show_default=True)
@click.option("--cases", type=click.IntRange(min=1), help=f"How many.  [default: {_usual_cases()}]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--ef", type=click.Choice(["realistic", "wide"]), help="Not for clinical.  [default: realistic]")
def phantom(
    directory: Path, layout: str, cases: int | None, seed: int, ef: Literal["realistic", "wide"] | None
) -> None:
    """Write synthetic beating hearts into DIRECTORY, in the layout of a real dataset.

    The layout clinical holds patients with an outcome, in DICOM and AVI as scanners write them.

    \b
    Example: echokit data phantom phantom --cases 100 --seed 1
    Example: echokit data phantom phantom --layout camus
    """
    from echokit.cli.console import Screen
    from echokit.errors import DataError
    from echokit.stamp import STAMP

    chosen = LAYOUTS[layout]
    if ef is not None and chosen.own_ef:
        raise DataError(f"the layout {layout} has its own ejection fractions", where="--ef")
    cases = cases or chosen.cases
    options = {} if chosen.own_ef else {"ef": ef or "realistic"}
    with Screen().task("Making phantom hearts", cases) as advance:
        chosen.load()(directory, **{chosen.keyword: cases}, seed=seed, advance=advance, **options)
    click.echo(f"{STAMP}: {cases} synthetic {chosen.counted} in {directory}")


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
