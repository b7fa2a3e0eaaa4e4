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
@click.option(
    "--layout", type=click.Choice(["echonet_dynamic", "clinical"]), default="echonet_dynamic", show_default=True
)
@click.option("--cases", type=click.IntRange(min=1), help="Videos, or patients.  [default: 224; clinical: 34]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--ef", type=click.Choice(["realistic", "wide"]), help="Not for clinical.  [default: realistic]")
def phantom(
    directory: Path, layout: str, cases: int | None, seed: int, ef: Literal["realistic", "wide"] | None
) -> None:
    """Write synthetic beating hearts into DIRECTORY.

    In the layout of EchoNet-Dynamic, or clinical: patients with an outcome, DICOM and AVI as scanners write them.

    \b
    Example: echokit data phantom phantom --cases 100 --seed 1
    """
    from echokit.cli.console import Screen
    from echokit.errors import DataError
    from echokit.stamp import STAMP

    screen = Screen()
    if layout == "clinical":
        from echokit.phantom.clinical.directory import write_clinical
        from echokit.phantom.clinical.patients import PATIENTS

        if ef is not None:
            raise DataError("the clinical phantom has its own ejection fractions, 10 to 35", where="--ef")
        cases = cases or PATIENTS
        with screen.task("Making phantom patients", cases) as advance:
            write_clinical(directory, patients=cases, seed=seed, advance=advance)
        click.echo(f"{STAMP}: {cases} synthetic patients in {directory}")
        return
    from echokit.phantom.layout import write_phantom

    cases = cases or 224
    with screen.task("Making phantom hearts", cases) as advance:
        write_phantom(directory, cases=cases, seed=seed, ef=ef or "realistic", advance=advance)
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
